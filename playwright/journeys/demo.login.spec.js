// Sign-in as people meet it: every way a kubeconfig comes, and for every credential that cannot be used its own sentence.
import { test, expect, startDemo, expects } from '../lib/demo.js';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'taffrail-login-'));
const of = (who) => readFileSync(join(folder, `${who}.kubeconfig`), 'utf8');
let demo;
test.beforeAll(async () => (demo = await startDemo([`--kubeconfigs=${folder}`])));
test.afterAll(async () => demo?.stop());

test.beforeEach(async ({ page }) => {
  expects('401'); // nobody yet, and refusals
  await page.goto(demo.url);
  await expect(page.locator('#credential')).toBeEnabled();
});

const kubeconfigTab = (page) => page.getByRole('tab', { name: 'Kubeconfig' }).click();
const go = (page) => page.locator('button[type=submit]').click();
const inside = (page) => expect(page.getByRole('navigation')).toBeVisible();
const refusal = (page, code) => expect(page.locator(`.verdict[data-code=${code}]`));

/** A kubeconfig with these users, a context each. */
const config = (users) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': Object.keys(users)[0],
    clusters: [{ name: 'c', cluster: { server: 'https://elsewhere.example:6443' } }],
    contexts: Object.keys(users).map((name) => ({ name, context: { cluster: 'c', user: name, namespace: 'orders' } })),
    users: Object.entries(users).map(([name, user]) => ({ name, user })),
  });
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (claims) => `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}.c2lnbmF0dXJl`;

test('a kubeconfig is chosen as a file', async ({ page }) => {
  await kubeconfigTab(page);
  await page.locator('input[type=file]').setInputFiles(join(folder, 'admin.kubeconfig'));
  await expect(page.locator('.ctx label')).toHaveCount(1);
  await go(page);
  await inside(page);
});

test('a kubeconfig is pasted', async ({ page }) => {
  await kubeconfigTab(page);
  await page.locator('#credential').fill(of('viewer'));
  await go(page);
  await inside(page);
});

test('a kubeconfig is dropped, also on the page for tokens', async ({ page }) => {
  const data = await page.evaluateHandle((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], 'config'));
    return transfer;
  }, of('admin'));
  await page.dispatchEvent('#credential', 'drop', { dataTransfer: data });
  await expect(page.locator('.ctx label')).toHaveCount(1);
  await go(page);
  await inside(page);
});

test('a client certificate signs in', async ({ page }) => {
  await kubeconfigTab(page);
  await page.locator('#credential').fill(of('certificate'));
  await expect(page.getByText('The private key is sent to this server')).toBeVisible();
  await page.screenshot({ path: 'shots/login-certificate.png' });
  await go(page);
  await inside(page);
  await page.locator('#you').click();
  await expect(page.locator('.menu b')).not.toHaveText('');
});

test('of several contexts the usable ones can be chosen, and the namespace is where one lands', async ({ page }) => {
  await kubeconfigTab(page);
  const users = { cloud: { exec: { command: 'aws', apiVersion: 'client.authentication.k8s.io/v1' } }, here: { token: demo.token }, empty: {} };
  await page.locator('#credential').fill(config(users));
  await expect(page.getByRole('radio')).toHaveCount(3);
  await expect(page.getByRole('radio', { name: /^cloud/ })).toBeDisabled();
  await expect(page.getByRole('radio', { name: /^empty/ })).toBeDisabled();
  await expect(page.getByRole('radio', { name: /^here/ })).toBeChecked();
  await expect(page.getByText('This file points to https://elsewhere.example:6443')).toBeVisible();
  await page.screenshot({ path: 'shots/login-contexts.png' });
  await go(page);
  await inside(page);
  await expect(page).toHaveURL(/\?ns=orders$/);
});

const inFile = [
  ['an exec plugin', 'LOGIN_EXEC', { u: { exec: { command: '/opt/bin/aws' } } }, /running \/opt\/bin\/aws on your computer.*aws eks get-token/],
  ['an auth provider with a refresh token only', 'LOGIN_REFRESHONLY', { u: { 'auth-provider': { name: 'oidc', config: { 'refresh-token': 'r' } } } }, /only a refresh token/],
  ['paths instead of data', 'LOGIN_PATHS', { u: { 'client-certificate': '/home/ada/c.pem', 'client-key': '/home/ada/k.pem' } }, /\/home\/ada\/c\.pem.*kubectl config view --raw --flatten --minify/s],
  ['user name and password', 'LOGIN_BASIC', { u: { username: 'ada', password: 'x' } }, /Kubernetes removed in 1\.19/],
  ['nothing', 'LOGIN_NOCRED', { u: {} }, /no credential in this file/],
  ['nothing usable in any context', 'LOGIN_NOCONTEXT', { u: {}, v: { exec: { command: 'gcloud' } } }, /u: User u has no credential.*v: User v signs in by running gcloud/],
];
for (const [what, code, users, sentence] of inFile) {
  test(`a kubeconfig with ${what} is refused by its own sentence`, async ({ page }) => {
    await kubeconfigTab(page);
    await page.locator('#credential').fill(config(users));
    await refusal(page, code).toHaveText(sentence);
    await go(page);
    await expect(page.locator('.verdict')).toBeVisible();
    await expect(page.getByRole('navigation')).toHaveCount(0);
  });
}

test('a kubeconfig that cannot be read names its line, and nothing of it', async ({ page }) => {
  await kubeconfigTab(page);
  await page.locator('#credential').fill('kind: Config\nusers: [secret\n');
  await refusal(page, 'LOGIN_NOTKUBECONFIG').toHaveText(/line \d+ is neither YAML nor JSON/);
  await expect(page.locator('.verdict')).not.toContainText('secret');
});

test('a kubeconfig whose reader cannot be loaded is kept, and read at the next try', async ({ page }) => {
  expects('kubeconfig|ERR_FAILED');
  await page.route('**/a/kubeconfig.*', (route) => route.abort());
  await kubeconfigTab(page);
  await page.locator('#credential').fill(of('viewer'));
  await refusal(page, 'LOGIN_READER').toHaveText(/could not be loaded.*reload the page/s);
  await page.screenshot({ path: 'shots/login-reader.png' });
  await page.unroute('**/a/kubeconfig.*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator('.ctx label')).toHaveCount(1);
  await expect(page.locator('.verdict')).toHaveCount(0);
  await go(page);
  await inside(page);
});

test('a reader of kubeconfigs that never comes is given up', async ({ page }) => {
  await page.clock.install();
  await page.route('**/a/kubeconfig.*', () => {}); // never answered
  await kubeconfigTab(page);
  await page.locator('#credential').fill(of('admin'));
  await expect(page.locator('button[type=submit]')).toBeDisabled();
  await page.clock.fastForward(25_000);
  await refusal(page, 'LOGIN_READER').toBeVisible();
});

test('a token signs in without the reader of kubeconfigs', async ({ page }) => {
  const loaded = [];
  page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
  await page.locator('#credential').fill(demo.token);
  await go(page);
  await inside(page);
  expect(loaded).toContain('/session');
  expect(loaded.filter((path) => path.includes('kubeconfig'))).toEqual([]);
});

test('each token that cannot be used is refused by its own sentence', async ({ page }) => {
  const now = Math.floor(Date.now() / 1000);
  const ours = { iss: 'https://other.example', aud: ['https://other.example'], sub: 'system:serviceaccount:kube-system:viewer' };
  const cases = [
    ['', 'LOGIN_EMPTY', /Paste a token first/],
    ['-----BEGIN EC PRIVATE KEY-----\nabc', 'LOGIN_ISKEY', /private key, not a token\.?\s*It was not sent anywhere/],
    ['to\u0007ken', 'LOGIN_CHARS', /at position 3/],
    [jwt({ ...ours, exp: now - 3 * 3600 }), 'LOGIN_EXPIRED', /ended 3h ago.*system:serviceaccount:kube-system:viewer.*kubectl -n kube-system create token viewer/s],
    [jwt({ ...ours, exp: now + 3600 }), 'LOGIN_OTHERCLUSTER|LOGIN_REFUSED', /other cluster|another cluster/],
    ['no.such.token', 'LOGIN_REFUSED', /does not accept this credential/],
    ['apiVersion: v1\nkind: Config\n', 'LOGIN_ISKUBECONFIG', /looks like a kubeconfig/],
  ];
  for (const [token, code, sentence] of cases) {
    await page.locator('#credential').fill(token);
    await go(page);
    await expect(page.locator('.verdict')).toHaveText(sentence);
    await expect(page.locator('.verdict')).toHaveAttribute('data-code', new RegExp(`^(${code})$`));
  }
  await page.locator('#credential').fill(jwt({ ...ours, exp: now - 3 * 3600 }));
  await go(page);
  await page.screenshot({ path: 'shots/login-expired.png' });
});

test('a Secret, a kubeconfig and an encoded token are taken for what they are', async ({ page }) => {
  const encoded = Buffer.from(demo.token).toString('base64');
  await page.locator('#credential').fill(`apiVersion: v1\nkind: Secret\ndata:\n  password: eA==\n`);
  await go(page);
  await page.getByRole('button', { name: 'Take the token from it' }).click();
  await refusal(page, 'LOGIN_NOSECRETTOKEN').toBeVisible();
  await page.locator('#credential').fill(`apiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\ndata:\n  token: ${encoded}\n`);
  await go(page);
  await refusal(page, 'LOGIN_ISSECRET').toBeVisible();
  await page.screenshot({ path: 'shots/login-secret.png' });
  await page.getByRole('button', { name: 'Take the token from it' }).click();
  await inside(page);
});
