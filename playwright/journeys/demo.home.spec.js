// The demo in a browser: sign-in, every page, both themes, the link.
import { test, expect } from '@playwright/test';
import AxeBuilder from '@axe-core/playwright';
import { expects, signIn as signInAt, withDemo } from '../lib/demo.js';
import { mkdirSync } from 'node:fs';

const demo = withDemo();
test.beforeAll(() => mkdirSync('shots', { recursive: true }));
const signIn = (page, path = '') => signInAt(page, demo.url + path, demo.token);

test('signs in with a token and sees the cluster', async ({ page }) => {
  await signIn(page);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(/need you|needs you|Nothing needs you/);
  await expect(page.locator('canvas').first()).toBeVisible();
  await page.screenshot({ path: 'shots/overview-dark.png' });
});

test('a pod that kubectl would show is in the table, and its drawer has its own address', async ({ page }) => {
  await signIn(page, 'pod');
  await expect(page.getByRole('row')).not.toHaveCount(0);
  await page.getByRole('searchbox').first().fill('status:CrashLoopBackOff');
  await expect(page.getByText('Running')).toHaveCount(0);
  await page.getByRole('row', { name: /CrashLoopBackOff/ }).first().click();
  await expect(page).toHaveURL(/\/pod\/[^/]+\/[^/?]+/);
  await page.screenshot({ path: 'shots/pod-dark.png' });
  await page.keyboard.press('Escape');
  await expect(page).toHaveURL(/\/pod(\?|$)/);
});

const views = [['', 'overview'], ['node', 'nodes'], ['pod', 'pods'], ['deployment', 'deployments'], ['service', 'services'], ['map', 'map']];
for (const [theme, width, height] of [['dark', 1440, 900], ['light', 390, 844]]) {
  for (const [path, name] of views) {
    test(`${name} ${theme} ${width}`, async ({ page }) => {
      await page.setViewportSize({ width, height });
      await page.addInitScript((wanted) => localStorage.setItem('theme', wanted), theme);
      await signIn(page, path);
      await expect(page.locator('main').first()).toBeVisible();
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
      await expect(page.getByText(/^live/).first()).toBeVisible();
      await page.screenshot({ path: `shots/${name}-${theme}-${width}.png` });
      const serious = (await new AxeBuilder({ page }).analyze()).violations.filter((v) => ['serious', 'critical'].includes(v.impact));
      expect(serious.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`)).toEqual([]);
    });
  }
}

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
  expects('401');
  await page.goto(`${demo.url}pod`);
  await page.getByRole('textbox', { name: 'Token' }).fill(demo.viewer);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText(/orders\//).first()).toBeVisible();
  const text = await page.locator('main').first().innerText();
  for (const foreign of ['batch/', 'data/', 'media/', 'kube-system/']) expect(text).not.toContain(foreign);
});
