// How Taffrail is started beside the cluster under test, and how people come in. The environment is of cluster/test.sh.
import { expect } from '@playwright/test';
import { kubectl } from './taffrail.js';

const { CLUSTER_DIR: dir, HARNESS: harness, ADDRESS: address } = process.env;

/** The namespace the journeys work in, and the image their pods run. */
export const { SPACE: space, IMAGE: image } = process.env;

/** Tokens of who sees everything, and of who sees that namespace only. */
export const token = { watcher: process.env.WATCHER, tess: process.env.TESS };

/** Where the application is. */
export const root = `https://${address}:8443/`;

/** The application over plain HTTP. */
export const plain = '127.0.0.1:18080';

/** A scrape every 10 s, and the harness's Service where there is one: its APIServices trust whom we write into them. */
export const serve = [
  'serve', `--kubeconfig=${dir}/taffrail.kubeconfig`, `--bind-address=${address}`, '--kubelet-preferred-address-types=InternalIP', '--cluster-name=real',
  `--ui-http-port=${plain.split(':')[1]}`, '--metric-resolution=10s', '--kubelet-request-timeout=9s',
  ...(harness ? ['--service-name=taffrail-metrics', '--service-namespace=taffrail'] : ['--manage-apiservices=false']),
];

/** Pods that start and end change the interfaces of the namespace, and the browser then drops what it was loading. */
export async function visit(page, url) {
  for (let left = 5; ; left -= 1) {
    try {
      return await page.goto(url);
    } catch (error) {
      if (left === 0 || !/ERR_NETWORK_CHANGED|chrome-error:/.test(String(error))) throw error;
    }
  }
}

/** Signs in with a token, and lands on `path`. */
export async function signIn(page, who, path, base = root) {
  const token = page.getByRole('textbox', { name: 'Token' });
  // The page may be there and its module be the one that was dropped.
  await expect(async () => {
    await visit(page, base + path);
    await expect(token).toBeVisible({ timeout: 10_000 });
  }).toPass({ timeout: 60_000 });
  await token.fill(who);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('navigation')).toBeVisible();
}

/** A pod of the journeys' namespace that runs `command`; more of its spec in `spec`. */
export function pod(name, command, { labels = {}, ...spec } = {}) {
  const container = { name: 'box', image, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', command] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: space, labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container], ...spec } };
}

export const apply = (object) => kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });

/** Ends a pod of the namespace at once. */
export const end = (name) => kubectl(['-n', space, 'delete', 'pod', name, '--grace-period=0', '--force', '--ignore-not-found']);
