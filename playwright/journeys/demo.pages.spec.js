// Every page as a person sees it: both themes, a wide and a narrow window, with a picture of each and no serious
// finding of axe.
import AxeBuilder from '@axe-core/playwright';
import { test, expect, startDemo, signIn, expects } from '../lib/demo.js';

let demo;
test.beforeAll(async () => (demo = await startDemo()));
test.afterAll(async () => demo?.stop());

/** Opens the first row that a filter leaves. */
const drawer = (path) => async (page) => {
  await page.goto(demo.url + path);
  await page.locator('.rows .tr').first().click();
  await expect(page.locator('.drawer h1')).toBeVisible();
  await expect(page.locator('.drawer h2').first()).toBeVisible();
};
const plain = (path) => async (page) => page.goto(demo.url + path);

const pages = [
  ['overview', plain('')],
  ['nodes', plain('node')],
  ['node', drawer('node?sort=-4')],
  ['pods', plain('pod')],
  ['pod', drawer('pod?q=status:CrashLoopBackOff')],
  ['nothing', plain('pod?q=nothing-is-called-so')],
  ['deployments', plain('deployment')],
  ['deployment', drawer('deployment')],
  ['services', plain('service')],
  ['service', drawer('service?q=ledger')],
  ['map', plain('map')],
  ['coverage', plain('coverage')],
  ['lost', plain('nowhere')],
];

/** What stands outside the window sideways: nothing may. */
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

async function look(page, name) {
  await page.screenshot({ path: `shots/${name}.png` });
  const found = (await new AxeBuilder({ page }).analyze()).violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  expect.soft(found.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`), name).toEqual([]);
  expect.soft(await overflow(page), `${name} is wider than its window`).toBeLessThanOrEqual(0);
}

for (const theme of ['dark', 'light']) {
  for (const [width, height] of [[1440, 900], [390, 844]]) {
    test(`every page, ${theme}, ${width} wide`, async ({ page }) => {
      test.setTimeout(180_000);
      await page.setViewportSize({ width, height });
      await page.addInitScript((wanted) => localStorage.setItem('theme', wanted), theme);
      expects('401');
      await page.goto(demo.url);
      await expect(page.locator('#credential')).toBeEnabled();
      await look(page, `login-${theme}-${width}`);
      await signIn(page, demo);
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
      for (const [name, open] of pages) {
        await open(page);
        await expect(page.getByText(/^live/).first()).toBeVisible();
        await expect(page.getByText('Loading…')).toHaveCount(0);
        await look(page, `${name}-${theme}-${width}`);
      }
    });
  }
}
