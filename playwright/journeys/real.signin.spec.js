// Signing in on a real cluster, with everything kubectl itself takes that a browser can hold; and being signed out by the cluster.
import { test, expect } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { createSign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apply, root, serve, signIn, space, token, visit } from '../lib/real.js';
import { kubectl, taffrail } from '../lib/taffrail.js';

const dir = process.env.CLUSTER_DIR;
let product;
test.beforeAll(async () => {
  product = await taffrail(serve, /serving/);
});
test.afterAll(async () => product?.stop());

/** Pastes a kubeconfig; picks a context when one is named. */
async function present(page, kubeconfig, context) {
  await visit(page, root);
  await page.getByRole('tab', { name: 'Kubeconfig' }).click();
  await page.getByRole('textbox').fill(kubeconfig);
  if (context) await page.getByRole('radio', { name: new RegExp(`^${context} `) }).check();
}

const enter = (page) => page.getByRole('button', { name: 'Sign in' }).click();

/** Who the application says is here. */
async function whoami(page) {
  await expect(page.getByRole('navigation')).toBeVisible();
  await page.getByTitle('You').click();
  return page.locator('.menu b').first().innerText();
}

/** A client certificate by the cluster's authority, as base64 PEM. */
function certificate(name, group) {
  const file = (end) => join(dir, `${name}.${end}`);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file('key'));
  openssl('req', '-new', '-key', file('key'), '-subj', `/O=${group}/CN=${name}`, '-out', file('csr'));
  writeFileSync(file('ext'), 'extendedKeyUsage=clientAuth\n');
  openssl('x509', '-req', '-extfile', file('ext'), '-in', file('csr'), '-CA', `${dir}/pki/ca.crt`, '-CAkey', `${dir}/pki/ca.key`, '-days', '1', '-out', file('crt'));
  return ['crt', 'key'].map((end) => readFileSync(file(end)).toString('base64'));
}

/** A kubeconfig of several contexts, the first of which is the current one. */
function kubeconfig(users) {
  const server = kubectl(['config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}']);
  const contexts = users.map(([name, , namespace]) => ({ name, context: { cluster: 'c', user: `${name}-user`, ...(namespace && { namespace }) } }));
  return JSON.stringify({
    apiVersion: 'v1', kind: 'Config', 'current-context': users[0][0], clusters: [{ name: 'c', cluster: { server } }], contexts,
    users: users.map(([name, user]) => ({ name: `${name}-user`, user })),
  });
}

const account = (name) => apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: space } });

/** Grants a new account the namespace; answers with its token. */
function newcomer(name) {
  account(name);
  apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name, namespace: space }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }, subjects: [{ kind: 'ServiceAccount', name, namespace: space }] });
  return kubectl(['-n', space, 'create', 'token', name]).trim();
}

test('a kubeconfig with an inline client certificate', async ({ page }) => {
  const [crt, key] = certificate('ops', `${space}:ops`);
  await present(page, kubeconfig([['ops', { 'client-certificate-data': crt, 'client-key-data': key }, space]]));
  await enter(page);
  expect(await whoami(page)).toBe('ops');
  await visit(page, `${root}pod`);
  await expect(page.getByRole('row', { name: new RegExp(`${space}/burn`) })).toBeVisible();
  await expect(page.getByRole('row', { name: /default\/client/ })).toBeVisible();
  // The certificate lets nobody in who has another key.
  const [, other] = certificate('other', 'nobody');
  await page.context().clearCookies();
  await present(page, kubeconfig([['ops', { 'client-certificate-data': crt, 'client-key-data': other }]]));
  await enter(page);
  await expect(page.locator('.verdict[data-code=LOGIN_CERTBAD]')).toBeVisible();
});

test('a kubeconfig with a token, and one of several contexts', { tag: '@portable' }, async ({ page }) => {
  await present(page, kubeconfig([['tess', { token: token.tess }, space]]));
  await enter(page);
  expect(await whoami(page)).toBe(`system:serviceaccount:${space}:tess`);
  await page.context().clearCookies();

  const several = kubeconfig([['tess', { token: token.tess }], ['plugin', { exec: { command: 'aws' } }], ['files', { 'client-certificate': '/home/ada/ada.crt', 'client-key': '/home/ada/ada.key' }], ['watcher', { token: token.watcher }]]);
  await present(page, several);
  const choice = (name) => page.getByRole('radio', { name: new RegExp(`^${name} `) });
  await expect(choice('tess')).toBeChecked();
  for (const [name, why] of [['plugin', /running aws/], ['files', /\/home\/ada\/ada\.crt/]]) {
    await expect(choice(name)).toBeDisabled();
    await expect(page.locator('.ctx label').filter({ hasText: name })).toHaveText(why);
  }
  await choice('watcher').check();
  await enter(page);
  expect(await whoami(page)).toBe(`system:serviceaccount:${space}:watcher`);
});

test('the token of a deleted account is refused at once', { tag: '@portable' }, async ({ page }) => {
  const gone = newcomer('gone');
  kubectl(['-n', space, 'delete', 'serviceaccount/gone', 'rolebinding/gone']);
  await visit(page, `${root}pod`);
  await page.getByRole('textbox', { name: 'Token' }).fill(gone);
  await enter(page);
  // Our account may not look whether an account exists, and who holds no credential is not told.
  await expect(page.locator('.verdict[data-code=LOGIN_REFUSED]')).toContainText('revoked');
  await expect(page.getByRole('navigation')).toHaveCount(0);
});

/** A token of an account as this cluster signs them, that ends when it is told to. */
function signed(name, exp) {
  const uid = kubectl(['-n', space, 'get', 'serviceaccount', name, '-o', 'jsonpath={.metadata.uid}']);
  const issuer = 'https://kubernetes.default.svc';
  const iat = exp - 600;
  const claims = { aud: [issuer], exp, iat, nbf: iat, iss: issuer, sub: `system:serviceaccount:${space}:${name}`, 'kubernetes.io': { namespace: space, serviceaccount: { name, uid } } };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(readFileSync(`${dir}/pki/sa.key`)).toString('base64url')}`;
}

const seconds = () => Math.floor(Date.now() / 1000);

test('an expired token is refused with what makes a new one, by the page and by the server', async ({ page }) => {
  const expired = signed('tess', seconds() - 90);
  await visit(page, root);
  await page.getByRole('textbox', { name: 'Token' }).fill(expired);
  await enter(page);
  await expect(page.locator('.verdict[data-code=LOGIN_EXPIRED]')).toContainText(`kubectl -n ${space} create token tess`);
  const answer = await page.request.post(`${root}session`, { headers: { 'x-taffrail': '1', accept: 'application/json' }, data: { token: expired } });
  expect([answer.status(), JSON.stringify(await answer.json()).includes('LOGIN_EXPIRED')]).toEqual([401, true]);
});

/** Signed out by the server: the page says why, keeps its address, and nothing more is to be had with the old cookie. */
async function signedOut(page, timeout) {
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible({ timeout });
  await expect(page.getByText(/Your session ended/)).toBeVisible();
  await expect(page.getByRole('row')).toHaveCount(0);
  expect(page.url()).toBe(`${root}pod`);
  expect((await page.request.get(`${root}session`, { headers: { 'x-taffrail': '1' } })).status()).toBe(401);
}

test('a session ends with its token', async ({ page }) => {
  const end = seconds() + 12;
  await signIn(page, signed('tess', end), 'pod');
  await expect(page.getByRole('row', { name: new RegExp(`${space}/burn`) })).toBeVisible();
  await signedOut(page, 20_000);
  expect(Date.now() / 1000 - end, 'seconds after the token’s end').toBeLessThan(5);
});

test('a session ends when its account is deleted, though nobody touches the page', { tag: '@portable' }, async ({ page }) => {
  test.setTimeout(150_000);
  await signIn(page, newcomer('leaver'), 'pod');
  await expect(page.getByRole('row', { name: new RegExp(`${space}/burn`) })).toBeVisible();
  kubectl(['-n', space, 'delete', 'serviceaccount/leaver']);
  try {
    // A session in use is asked about once a minute; the API server itself remembers a token for 10 s more.
    await signedOut(page, 80_000);
  } finally {
    kubectl(['-n', space, 'delete', 'rolebinding/leaver']);
  }
});
