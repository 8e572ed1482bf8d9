// The ways to the application: below a prefix behind a reverse proxy, and through kubectl proxy.
import { test, expect } from '@playwright/test';
import { spawn } from 'node:child_process';
import { reverseProxy } from '../lib/proxy.js';
import { apply, end, plain, pod, serve, signIn, space, token, visit } from '../lib/real.js';
import { kubectl, taffrail } from '../lib/taffrail.js';

const row = (page, name) => page.getByRole('row', { name: new RegExp(`${space}/${name}`) });

/** What must work whichever way one came: a table that lives, an object's own address, a reload of it, the map, and the way back. */
async function everythingBasic(page, base, name) {
  await signIn(page, token.watcher, `pod?ns=${space}`, base);
  await expect(row(page, 'burn')).toBeVisible();
  apply(pod(name, 'while :; do sleep 1; done'));
  try {
    await expect(row(page, name)).toBeVisible({ timeout: 5000 });
    await expect(row(page, name).getByText('Running')).toBeVisible();
    await row(page, name).click();
    const drawer = page.getByRole('complementary', { name });
    await expect(drawer.getByText('Running').first()).toBeVisible();
    expect(page.url()).toBe(`${base}pod/${space}/${name}?ns=${space}`);
    await page.reload();
    await expect(drawer.getByText('Running').first()).toBeVisible();
    await expect(page.getByText(/^live/).first()).toBeVisible();
    end(name);
    await expect(row(page, name)).toHaveCount(0, { timeout: 5000 });
    await page.getByRole('navigation').getByRole('link', { name: 'Map' }).click();
    await expect(page.getByText(/kube-proxy/).first()).toBeVisible();
    expect(page.url()).toBe(`${base}map?ns=${space}`);
    await page.goBack();
    await expect(row(page, 'burn')).toBeVisible();
  } finally {
    end(name);
  }
}

test('works below a prefix that the proxy in front does not strip', { tag: '@portable' }, async ({ page }) => {
  const product = await taffrail([...serve, '--base-path=/taffrail/'], /serving/);
  const proxy = await reverseProxy('/taffrail/', plain);
  try {
    await everythingBasic(page, `${proxy.address}/taffrail/`, 'below');
    await page.context().clearCookies();
    await visit(page, `${proxy.address}/taffrail`);
    expect(page.url()).toBe(`${proxy.address}/taffrail/`);
    await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
    expect(proxy.outside, 'asked for beside the prefix').toEqual([]);
  } finally {
    await proxy.stop();
    await product.stop();
  }
});

test('works through kubectl proxy and the service proxy of the API server', async ({ page }) => {
  const product = await taffrail(serve, /serving/);
  // The API server proxies a Service only to an address of a pod: this one stands for Taffrail's, and runs nothing.
  apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ui', namespace: 'taffrail', labels: { app: 'ui' } }, spec: { nodeName: 'elsewhere', automountServiceAccountToken: false, tolerations: [{ operator: 'Exists' }], containers: [{ name: 'c', image: 'none' }] } });
  kubectl(['-n', 'taffrail', 'patch', 'pod', 'ui', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: { phase: 'Running', podIP: '198.51.100.1', podIPs: [{ ip: '198.51.100.1' }] } })]);
  apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'taffrail', namespace: 'taffrail' }, spec: { ports: [{ name: 'https', port: 443, targetPort: 8443 }] } });
  apply({ apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'taffrail', namespace: 'taffrail' }, subsets: [{ addresses: [{ ip: '198.51.100.1', targetRef: { kind: 'Pod', name: 'ui', namespace: 'taffrail' } }], ports: [{ name: 'https', port: 8443 }] }] });
  const proxy = spawn('kubectl', ['proxy', '--port=0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise((resolve) => proxy.stdout.on('data', (chunk) => resolve(String(chunk).match(/:(\d+)/)[1])));
    await everythingBasic(page, `http://127.0.0.1:${port}/api/v1/namespaces/taffrail/services/https:taffrail:443/proxy/`, 'proxied');
  } finally {
    proxy.kill();
    kubectl(['-n', 'taffrail', 'delete', 'pod/ui', 'service/taffrail', 'endpoints/taffrail', '--ignore-not-found', '--grace-period=0', '--force', '--wait=false']);
    await product.stop();
  }
});
