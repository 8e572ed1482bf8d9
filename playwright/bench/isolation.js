// What browsers and relists do to the Metrics API: its answers and its scrapes, first alone, then beside browsers that mean
// no good and a cluster that is listed anew every ten seconds. Prints lines for bench.sh.
//   isolation.js SIMULATOR TAFFRAIL HOSTILE
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { taffrail } from '../lib/taffrail.js';

const [simulator, program, hostile] = process.argv.slice(2);
process.env.TAFFRAIL = program;
const [browsers, seconds, secure, plain] = [50, 60, 19443, 19082];
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
const dir = mkdtempSync(join(tmpdir(), 'taffrail-isolation-'));
const file = join(dir, 'kubeconfig');
// Who is elsewhere in a real cluster comes last here: the API server with its kubelets, and below the browsers.
const sim = spawn('nice', ['-n', '15', simulator, '5000', '30', file], { stdio: ['pipe', 'ignore', 'inherit'] });
while (!existsSync(file)) await pause(200);
const [, token] = readFileSync(`${file}.admin`, 'utf8').match(/token: (\S+)/);
const product = await taffrail(['serve', `--kubeconfig=${file}`, '--bind-address=127.0.0.1', `--secure-port=${secure}`, '--ui-port=0', `--ui-http-port=${plain}`, '--kubelet-preferred-address-types=InternalIP', '--kubelet-use-node-status-port'], /serving/);
const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });

/** Milliseconds to the last byte, and the body. */
function get(path, accept = 'application/vnd.kubernetes.protobuf') {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    request({ host: '127.0.0.1', port: secure, path, headers: { authorization: `Bearer ${token}`, accept }, agent }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ took: performance.now() - began, status: answer.statusCode, body: Buffer.concat(parts) }));
    }).on('error', reject).end();
  });
}

async function session() {
  const answer = await fetch(`http://127.0.0.1:${plain}/session`, { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json', 'x-taffrail': '1' }, body: JSON.stringify({ token }) });
  if (!answer.ok) throw new Error(`not signed in: ${answer.status} ${await answer.text()}`);
  return [answer.headers.get('set-cookie').split(';')[0], (await answer.json()).proof];
}

/** Rounds so far: how many, the seconds they took, and requests that failed. */
async function rounds() {
  const text = String((await get('/metrics', '*/*')).body);
  const of = (pattern) => Number(text.match(pattern)?.[1] ?? 0);
  return { count: of(/^metrics_server_manager_tick_duration_seconds_count (\S+)/m), sum: of(/^metrics_server_manager_tick_duration_seconds_sum (\S+)/m), failed: of(/^metrics_server_kubelet_request_total\{success="false"\} (\S+)/m) };
}

/** What an autoscaler asks for, twenty times a second. */
async function measure(path) {
  const [times, before, end] = [[], await rounds(), Date.now() + seconds * 1000];
  while (Date.now() < end) {
    const answer = await get(path);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
    times.push(answer.took);
    await pause(Math.max(0, 50 - answer.took));
  }
  const after = await rounds();
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))];
  return { p50: at(0.5), p99: at(0.99), round: (after.sum - before.sum) / (after.count - before.count), count: after.count - before.count, failed: after.failed - before.failed };
}

try {
  while ((await get('/readyz', '*/*')).status !== 200) await pause(500);
  const { items } = JSON.parse((await get('/apis/metrics.k8s.io/v1beta1/pods', 'application/json')).body);
  const { namespace, labels } = items[Math.floor(items.length / 2)].metadata;
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods?labelSelector=app%3D${labels.app}`;
  await pause(20_000);
  const alone = await measure(path);
  const pairs = [];
  for (let n = 0; n < browsers; n += 1) pairs.push(...(await session()));
  const clients = spawn('nice', ['-n', '19', hostile, `127.0.0.1:${plain}`, ...pairs], { stdio: ['pipe', 'ignore', 'ignore'] });
  sim.stdin.write('200\n');
  const relists = setInterval(() => sim.stdin.write('relist\n'), 10_000);
  await pause(10_000);
  const beside = await measure(path);
  clearInterval(relists);
  clients.stdin.end();
  const more = (what) => `${alone[what].toFixed(1)} and ${beside[what].toFixed(1)} ms (${((beside[what] / alone[what] - 1) * 100).toFixed(0)} % more)`;
  console.log(`bench: isolation at 150,000 pods, an autoscaler's list alone and beside ${browsers} hostile browsers, 200 changes/s and relists: p50 ${more('p50')}, p99 ${more('p99')} (budget 20 % more)`);
  console.log(`bench: isolation, a round of 5,000 kubelets: ${alone.round.toFixed(2)} and ${beside.round.toFixed(2)} s (${((beside.round / alone.round - 1) * 100).toFixed(0)} % more, budget 20), ${beside.count} rounds in ${seconds} s, ${beside.failed} requests failed`);
} finally {
  agent.destroy();
  await product.stop();
  sim.stdin.end();
  await new Promise((resolve) => sim.on('exit', resolve));
  rmSync(dir, { recursive: true });
}
