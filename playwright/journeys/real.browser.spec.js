// The application on a real cluster: what each person sees, how soon, and by which way.
import { test, expect } from '@playwright/test';
import { apply, end, pod, serve, signIn, space, token } from '../lib/real.js';
import { kubectl, tryKubectl, taffrail } from '../lib/taffrail.js';

let product;
test.beforeAll(async () => {
  product = await taffrail(serve, /serving/);
});
test.afterAll(async () => product?.stop());

test('a pod made with kubectl is in the browser in under 2 s', { tag: '@portable' }, async ({ page }) => {
  await signIn(page, token.watcher, 'pod');
  await expect(page.getByRole('row', { name: new RegExp(`${space}/burn`) })).toBeVisible();
  const row = page.getByRole('row', { name: new RegExp(`${space}/quick`) });
  apply(pod('quick', 'sleep 1000'));
  await expect(row).toBeVisible({ timeout: 2000 });
  end('quick');
  await expect(row).toHaveCount(0, { timeout: 5000 });
});

test('the burning container reads 190 to 210 millicores in the browser', async ({ page }) => {
  test.setTimeout(120_000);
  await signIn(page, token.watcher, 'pod?q=burn');
  const row = page.getByRole('row', { name: /team\/burn/ });
  await expect
    .poll(async () => Number((await row.innerText()).match(/(\d+)\s*m\b(?!i)/)?.[1] ?? 0), { timeout: 90_000 })
    .toBeGreaterThanOrEqual(190);
  expect(Number((await row.innerText()).match(/(\d+)\s*m\b(?!i)/)[1])).toBeLessThanOrEqual(210);
});

/** What becomes of a connection to a Service from a real client. */
function dial(service) {
  const address = kubectl(['get', 'svc', service, '-o', 'jsonpath={.spec.clusterIP}']);
  const { code, err } = tryKubectl(['exec', 'client', '--', 'sh', '-c', `nc -w 3 ${address} 80 < /dev/null`]);
  return code === 0 ? 'answers' : (err.match(/refused|timed out/i)?.[0].toLowerCase() ?? err);
}

test('a Service that matches nothing is refused on its page and in a real client', async ({ page }) => {
  await signIn(page, token.watcher, 'service/default/empty');
  await expect(page.getByText(/Connection refused/).first()).toBeVisible();
  kubectl(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s']);
  expect(dial('empty')).toBe('refused');
});

/** How many pixels of the map's canvas are of the colour of what is broken. */
const red = (page) =>
  page.evaluate(() => {
    const read = (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const one = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
    const pen = one.getContext('2d');
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--bad').trim();
    pen.fillRect(0, 0, 1, 1);
    const [bad, data] = [read(one), read(document.querySelector('.map canvas'))];
    let count = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at] === bad[0] && data[at + 1] === bad[1] && data[at + 2] === bad[2]) count += 1;
    return count;
  });

test('a Service is red on the map within 2 s of its last pod’s end, and its clients are refused', async ({ page }) => {
  const last = pod('last', 'mkdir -p /www; exec httpd -f -p 8080 -h /www', { labels: { app: 'last' } });
  last.metadata.namespace = 'default';
  apply(last);
  apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'last', namespace: 'default' }, spec: { selector: { app: 'last' }, ports: [{ port: 80, targetPort: 8080 }] } });
  try {
    await signIn(page, token.watcher, 'map?ns=default');
    const chip = (text) => page.locator('.chip').filter({ hasText: text });
    const entry = page.locator('.map li').filter({ has: page.locator('a[href^="service/default/last"]') });
    await expect(entry.locator('.st.good')).not.toHaveCount(0);
    await expect.poll(() => dial('last')).toBe('answers');
    const before = { red: await red(page), refused: Number(await chip('refused').locator('b').innerText()) };
    kubectl(['delete', 'pod', 'last', '--grace-period=0', '--force']);
    const gone = Date.now();
    await expect(entry.locator('.st.bad')).not.toHaveCount(0, { timeout: 2000 });
    await expect.poll(() => red(page), { timeout: 2000 - (Date.now() - gone), intervals: [50] }).toBeGreaterThan(before.red);
    expect(Number(await chip('refused').locator('b').innerText())).toBe(before.refused + 1);
    await expect(page.locator('.map li').filter({ hasText: 'Connection refused. Its selector app=last matches no pod' })).not.toHaveCount(0);
    await expect.poll(() => dial('last'), { timeout: 5000 }).toBe('refused');
  } finally {
    kubectl(['delete', 'pod/last', 'service/last', '--ignore-not-found', '--grace-period=0', '--force', '--wait=false']);
  }
});
