// The application on a real cluster: what each person sees, how soon, and by which way.
import { test, expect } from '@playwright/test';
import { spawn } from 'node:child_process';
import { kubectl, tryKubectl, taffrail } from '../lib/taffrail.js';
import { serve } from '../lib/real.js';

let product;
test.beforeAll(async () => {
  product = await taffrail(serve, /serving/);
});
test.afterAll(async () => product?.stop());

const root = 'https://198.51.100.1:8443/';

/** Pods that start and end change the interfaces of the namespace, and the browser then drops what it was loading. */
async function visit(page, url) {
  for (let left = 5; ; left -= 1) {
    try {
      return await page.goto(url);
    } catch (error) {
      if (left === 0 || !String(error).includes('ERR_NETWORK_CHANGED')) throw error;
    }
  }
}

async function signIn(page, token, path, base = root) {
  await visit(page, base + path);
  await page.getByRole('textbox', { name: 'Token' }).fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('navigation')).toBeVisible();
}

test('a pod made with kubectl is in the browser in under 2 s', async ({ page }) => {
  await signIn(page, 'admin-token', 'pod');
  await expect(page.getByRole('row', { name: /team\/burn/ })).toBeVisible();
  kubectl(['-n', 'team', 'run', 'quick', '--image=localhost/box:1', '--image-pull-policy=Never', '--', 'sleep', '1000']);
  await expect(page.getByRole('row', { name: /team\/quick/ })).toBeVisible({ timeout: 2000 });
  kubectl(['-n', 'team', 'delete', 'pod', 'quick', '--grace-period=0', '--force']);
  await expect(page.getByRole('row', { name: /team\/quick/ })).toHaveCount(0, { timeout: 5000 });
});

test('a person of one namespace sees that namespace and nothing else', async ({ page }) => {
  await signIn(page, 'team-token', 'pod');
  await expect(page.getByRole('row', { name: /team\/burn/ })).toBeVisible();
  for (const path of ['pod', 'deployment', 'service', '', 'map']) {
    await visit(page, root + path);
    await expect(page.getByRole('navigation')).toBeVisible();
    await expect(page.getByText(/updated|need|answer|No |You may/i).first()).toBeVisible();
    const text = await page.locator('body').innerText();
    for (const foreign of ['kube-system', 'default/', 'kube-dns', 'oom']) expect(text, path).not.toContain(foreign);
  }
  await visit(page, `${root}node`);
  await expect(page.getByText(/may not list/).first()).toBeVisible();
});

test('the burning container reads 190 to 210 millicores in the browser', async ({ page }) => {
  test.setTimeout(120_000);
  await signIn(page, 'admin-token', 'pod?q=burn');
  const row = page.getByRole('row', { name: /team\/burn/ });
  await expect
    .poll(async () => Number((await row.innerText()).match(/(\d+)\s*m\b(?!i)/)?.[1] ?? 0), { timeout: 90_000 })
    .toBeGreaterThanOrEqual(190);
  expect(Number((await row.innerText()).match(/(\d+)\s*m\b(?!i)/)[1])).toBeLessThanOrEqual(210);
});

test('a Service that matches nothing is refused on the map and in a real client', async ({ page }) => {
  await signIn(page, 'admin-token', 'service/default/empty');
  await expect(page.getByText(/Connection refused/).first()).toBeVisible();
  kubectl(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s']);
  const client = tryKubectl(['exec', 'client', '--', 'sh', '-c', `nc -w 3 ${kubectl(['get', 'svc', 'empty', '-o', 'jsonpath={.spec.clusterIP}'])} 80 < /dev/null`]);
  expect(client.code).not.toBe(0);
  expect(client.err).toMatch(/refused/i);
});

test('works through kubectl proxy and the service proxy of the API server', async ({ page }) => {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ui', namespace: 'taffrail', labels: { app: 'ui' } }, spec: { nodeName: 'elsewhere', automountServiceAccountToken: false, tolerations: [{ operator: 'Exists' }], containers: [{ name: 'c', image: 'none' }] } };
  kubectl(['apply', '-f', '-'], { input: JSON.stringify(pod) });
  kubectl(['-n', 'taffrail', 'patch', 'pod', 'ui', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: { phase: 'Running', podIP: '198.51.100.1', podIPs: [{ ip: '198.51.100.1' }] } })]);
  kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'taffrail', namespace: 'taffrail' }, spec: { ports: [{ name: 'https', port: 443, targetPort: 8443 }] } }) });
  kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'taffrail', namespace: 'taffrail' }, subsets: [{ addresses: [{ ip: '198.51.100.1', targetRef: { kind: 'Pod', name: 'ui', namespace: 'taffrail' } }], ports: [{ name: 'https', port: 8443 }] }] }) });
  const proxy = spawn('kubectl', ['proxy', '--port=0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise((resolve) => proxy.stdout.on('data', (chunk) => resolve(String(chunk).match(/:(\d+)/)[1])));
    await signIn(page, 'admin-token', 'pod/team/burn', `http://127.0.0.1:${port}/api/v1/namespaces/taffrail/services/https:taffrail:443/proxy/`);
    await expect(page.getByText('burn').first()).toBeVisible();
    await expect(page.getByText(/^live/).first()).toBeVisible();
  } finally {
    proxy.kill();
  }
});
