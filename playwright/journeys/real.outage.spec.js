// The API server goes away and comes back while people look and kubelets are read.
import { test, expect } from '@playwright/test';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { apply, end, pod, serve, signIn, space, token } from '../lib/real.js';
import { kubectl, taffrail, tryKubectl } from '../lib/taffrail.js';

const dir = process.env.CLUSTER_DIR;
const file = `${dir}/run/apiserver.pid`;
const ready = () => tryKubectl(['get', '--raw', '/readyz', '--request-timeout=2s']).code === 0;

/** Ends the API server by its process; answers with what starts it again as it was. */
async function stopApiServer() {
  const pid = Number(readFileSync(file, 'utf8'));
  const [program, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  process.kill(pid, 'SIGKILL');
  await expect.poll(ready).toBe(false);
  return async () => {
    const log = openSync(`${dir}/log/apiserver.log`, 'a');
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] });
    child.unref();
    closeSync(log);
    writeFileSync(file, String(child.pid));
    await expect.poll(ready, { timeout: 60_000 }).toBe(true);
  };
}

/** The node's sample as an aggregator with the front proxy's certificate reads it. */
function sample() {
  const asked = ['-sk', '--noproxy', '*', '--max-time', '5', '--cert', `${dir}/pki/front-proxy.crt`, '--key', `${dir}/pki/front-proxy.key`, '-H', 'X-Remote-User: root', '-H', 'X-Remote-Group: system:masters'];
  return JSON.parse(execFileSync('curl', [...asked, 'https://198.51.100.1:10443/apis/metrics.k8s.io/v1/nodes/node-a'], { encoding: 'utf8' }));
}

test('an API server that is away for half a minute: the page says so and since when, metrics go on, and it recovers by itself', async ({ page }) => {
  test.setTimeout(240_000);
  // A kubelet asks the API server about a token it has not seen for two minutes, and believes it for as long: with one
  // of its own this journey does not depend on when the others' was asked about last.
  const config = JSON.parse(readFileSync(`${dir}/taffrail.kubeconfig`, 'utf8'));
  config.users[0].user.token = kubectl(['-n', 'taffrail', 'create', 'token', 'taffrail', '--duration=1h']).trim();
  writeFileSync(`${dir}/outage.kubeconfig`, JSON.stringify(config), { mode: 0o600 });
  const flags = serve.map((flag) => (flag.startsWith('--kubeconfig=') ? `--kubeconfig=${dir}/outage.kubeconfig` : flag));
  const product = await taffrail(flags, /serving/);
  let start;
  try {
    await signIn(page, token.watcher, 'pod');
    const row = (name) => page.getByRole('row', { name: new RegExp(`${space}/${name}`) });
    await expect(row('burn')).toBeVisible();
    await expect.poll(() => sample().timestamp, { timeout: 40_000 }).toBeTruthy();
    await page.evaluate(() => (window.stayed = true));
    start = await stopApiServer();
    const stale = page.getByRole('status').filter({ hasText: /Not updated since \d\d:\d\d:\d\d/ });
    await expect(stale.first()).toBeVisible({ timeout: 30_000 });
    await expect(page.getByText(/updated \d+ s ago/)).toBeVisible();
    await expect(row('burn')).toBeVisible(); // what was known stays, marked as old
    // Two more rounds of kubelets are read and served, without an API server.
    const times = new Set();
    await expect.poll(() => times.add(sample().timestamp).size, { timeout: 45_000, intervals: [1000] }).toBeGreaterThan(2);
    // Rights can't be asked for either by now: what was shown stays all the same.
    await expect(stale.first()).toBeVisible();
    await expect(row('burn')).toBeVisible();
    await start();
    start = null;
    await expect(stale).toHaveCount(0, { timeout: 60_000 });
    apply(pod('after', 'sleep 1000'));
    await expect(row('after')).toBeVisible({ timeout: 30_000 });
    expect(await page.evaluate(() => window.stayed), 'the page was not loaded anew').toBe(true);
    // And numbers come in the table too.
    await expect(row('burn')).toContainText(/\d+m\d+MiB/);
  } finally {
    await start?.();
    end('after');
    await product.stop();
  }
});
