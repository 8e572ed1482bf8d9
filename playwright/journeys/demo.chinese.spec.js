// The application in Simplified Chinese: chosen before sign-in, complete on every page.
import { test, expect, startDemo, signIn, expects } from '../lib/demo.js';

let demo;
test.beforeAll(async () => (demo = await startDemo()));
test.afterAll(async () => demo?.stop());

/** Words that a page in Chinese may not contain; kinds, reasons, commands and units stay as Kubernetes writes them. */
const english = /\b(the|of|and|is|are|ago|ready|need|used|requested|requests|allocatable|loading|running|namespaces|restarts|updated|live|worst|sign|answer|refused|never|unknown|closes|created)\b/i;

test('every page speaks Chinese', async ({ page }) => {
  expects('401');
  await page.goto(demo.url);
  await page.getByRole('button', { name: '简体中文' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('登录到 demo');
  await page.screenshot({ path: 'shots/login-zh.png' });
  await page.locator('#credential').fill('-----BEGIN PRIVATE KEY-----');
  await page.locator('button[type=submit]').click();
  await expect(page.locator('.verdict')).toContainText('这是私钥');
  await signIn(page, demo);
  for (const [path, name] of [['', 'overview'], ['node', 'nodes'], ['pod', 'pods'], ['pod?q=nothing', 'nothing'], ['deployment', 'deployments'], ['service', 'services'], ['service/payments/ledger', 'service'], ['node/_/node-4', 'node'], ['map', 'map'], ['nowhere', 'lost']]) {
    await page.goto(demo.url + path);
    await expect(page.getByText(/^实时/).first()).toBeVisible();
    await expect(page.locator('main').first()).not.toContainText('加载中');
    if (path.includes('/')) await expect(page.locator('.drawer h2').first()).toBeVisible();
    await page.screenshot({ path: `shots/${name}-zh.png` });
    // What the API server, the kubelet and kubectl write is shown as it is.
    const said = await page.evaluate(() => {
      const kept = '.conditions, .mono, .rules, .name, .att, .events, .chip.mono, .tr, dd, .float, .mirror, .verdict, .node';
      const texts = [];
      const walk = document.createTreeWalker(document.getElementById('app'), 4);
      for (let node = walk.nextNode(); node; node = walk.nextNode()) if (!node.parentElement.closest(kept)) texts.push(node.data);
      for (const element of document.querySelectorAll('[aria-label], [title], [placeholder]')) if (!element.closest('.tr, .drawer')) texts.push(element.getAttribute('aria-label') ?? element.title, element.getAttribute('placeholder') ?? '');
      return texts.join('\n');
    });
    expect.soft(said.match(english)?.[0], `${name}: ${said}`).toBeUndefined();
  }
  await page.locator('#you').click();
  await page.getByRole('button', { name: 'English' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
});
