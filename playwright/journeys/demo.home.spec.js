// The demo in a browser: sign-in, the link, and who sees what. Every page's look is in demo.pages.spec.js.
import { test, expect, startDemo, signIn, expects } from '../lib/demo.js';

let demo;
test.beforeAll(async () => (demo = await startDemo()));
test.afterAll(async () => demo?.stop());

test('signs in with a token and sees the cluster', async ({ page }) => {
  await signIn(page, demo);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(/need you|needs you|Nothing needs you/);
  await expect(page.locator('canvas').first()).toBeVisible();
  await page.screenshot({ path: 'shots/overview-dark.png' });
});

test('a pod that kubectl would show is in the table, and its drawer has its own address', async ({ page }) => {
  await signIn(page, demo, 'pod');
  await expect(page.getByRole('row')).not.toHaveCount(0);
  await page.getByRole('searchbox').first().fill('status:CrashLoopBackOff');
  await expect(page.getByText('Running')).toHaveCount(0);
  await page.getByRole('row', { name: /CrashLoopBackOff/ }).first().click();
  await expect(page).toHaveURL(/\/pod\/[^/]+\/[^/?]+/);
  await page.screenshot({ path: 'shots/pod-dark.png' });
  await page.keyboard.press('Escape');
  await expect(page).toHaveURL(/\/pod(\?|$)/);
});

test('a wrong token is refused with its own sentence', async ({ page }) => {
  expects('401');
  await page.goto(demo.url);
  const token = page.getByRole('textbox', { name: 'Token' });
  const go = page.getByRole('button', { name: 'Sign in' });
  await token.fill('wrong.token');
  await go.click();
  await expect(page.getByText(/does not accept this credential/)).toBeVisible();
  await token.fill('-----BEGIN EC PRIVATE KEY-----');
  await go.click();
  await expect(page.getByText(/private key, not a token/)).toBeVisible();
});

test('a viewer of two namespaces sees these two', async ({ page }) => {
  await signIn(page, demo, 'pod', demo.viewer());
  await expect(page.getByText(/orders\//).first()).toBeVisible();
  const text = await page.locator('main').first().innerText();
  for (const foreign of ['batch/', 'data/', 'media/', 'kube-system/']) expect(text).not.toContain(foreign);
});
