// Without a mouse: everything a person does on the pages, by keys alone.
import { test, expect, startDemo, expects } from '../lib/demo.js';

let demo;
test.beforeAll(async () => (demo = await startDemo()));
test.afterAll(async () => demo?.stop());

/** Presses a key until the focus is on what `selector` finds; fails when it never gets there. */
async function reach(page, selector, key = 'Tab', most = 60) {
  for (let left = most; left > 0; left -= 1) {
    await page.keyboard.press(key);
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  throw new Error(`${key} never reaches ${selector}`);
}

/** What shows that the focus is where it is: an outline or a shadow of the element or, in the table, of its row. */
const visible = (page) =>
  page.evaluate(() => {
    const shown = (element) => {
      const style = getComputedStyle(element);
      return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none';
    };
    const focus = document.activeElement;
    const holder = focus.closest('.input, .file');
    return shown(focus) || (holder !== null && shown(holder));
  });

const key = (page, name) => page.keyboard.press(name);
const focused = (page, selector) => expect.poll(() => page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)).toBe(true);

for (const theme of ['dark', 'light']) {
  test(`from sign-in to sign-out by keys alone, ${theme}`, async ({ page }) => {
    test.setTimeout(120_000);
    await page.addInitScript((wanted) => localStorage.setItem('theme', wanted), theme);
    expects('401');
    await page.goto(demo.url);
    await reach(page, '#credential');
    expect(await visible(page)).toBe(true);
    await page.keyboard.insertText(demo.token);
    await key(page, 'Enter');
    await expect(page.getByRole('navigation')).toBeVisible();

    // The first key of a page skips the bar and the rail.
    await page.reload();
    await expect(page.getByText(/^live/).first()).toBeVisible();
    await key(page, 'Tab');
    await focused(page, '.skip');
    expect(await visible(page)).toBe(true);
    await key(page, 'Enter');
    await focused(page, '#main');
    expect(new URL(page.url()).hash).toBe('');

    // The rail leads to the pods.
    await reach(page, '.rail a[href^="pod"]', 'Shift+Tab');
    expect(await visible(page)).toBe(true);
    await key(page, 'Enter');
    await expect(page).toHaveURL(/\/pod$/);
    await expect(page.getByRole('row').nth(5)).toBeVisible();

    // Filter; from the filter into the rows.
    await reach(page, '#filter');
    await page.keyboard.insertText('etl-worker');
    await expect(page).toHaveURL(/q=etl-worker/);
    await expect(page.getByText('data/')).toHaveCount(0);
    await key(page, 'Enter');
    await focused(page, '#rows');

    // Up, down, first and last.
    const row = () => page.evaluate(() => document.getElementById(document.getElementById('rows').getAttribute('aria-activedescendant'))?.getAttribute('aria-rowindex'));
    await key(page, 'Home');
    await expect.poll(row).toBe('2');
    await key(page, 'ArrowDown');
    await key(page, 'ArrowDown');
    await key(page, 'ArrowUp');
    await expect.poll(row).toBe('3');
    const last = await page.getByRole('row').count();
    await key(page, 'End');
    await expect.poll(row).toBe(String(last));
    await key(page, 'Home');
    await page.screenshot({ path: `shots/keyboard-rows-${theme}.png` });
    expect(await page.evaluate(() => getComputedStyle(document.querySelector('.tr.cursor')).outlineStyle)).toBe('solid');

    // A drawer beside the filtered list; the arrows walk the list behind it; its parts; and back to the row.
    await key(page, 'Enter');
    await expect(page).toHaveURL(/\/pod\/batch\/[^?]+\?.*q=etl-worker/);
    const first = page.url();
    await key(page, 'ArrowDown');
    await expect(page).not.toHaveURL(first);
    await expect(page.locator('.drawer h2').first()).toBeVisible();
    await key(page, 'Enter');
    await focused(page, '#drawer');
    await reach(page, '#tab-summary');
    await key(page, 'ArrowRight');
    await focused(page, '#tab-yaml');
    await expect(page.locator('.yaml')).toContainText('kind: Pod');
    await key(page, 'ArrowLeft');
    await expect(page.locator('.yaml')).toHaveCount(0);
    await key(page, 'Escape');
    await expect(page).toHaveURL(/\/pod\?q=etl-worker$/);
    await focused(page, '#rows');
    await expect.poll(row).toBe('3');

    // Sort by a column's head.
    await reach(page, '.th.c-memory button');
    await key(page, 'Enter');
    await expect(page.locator('.th.c-memory')).toHaveAttribute('aria-sort', 'descending');
    await expect(page).toHaveURL(/\/pod\?.*sort=-/);

    // The map.
    await reach(page, '.rail a[href^="map"]', 'Shift+Tab');
    await key(page, 'Enter');
    await expect(page).toHaveURL(/\/map$/);
    await reach(page, '#canvas');
    await key(page, 'ArrowDown');
    await expect(page.locator('.float')).toBeVisible();
    const card = await page.locator('.float').innerText();
    await key(page, 'ArrowDown');
    await expect(page.locator('.float')).not.toHaveText(card);
    for (const name of ['+', '+', '-', '0']) await key(page, name);
    await key(page, '/');
    await focused(page, '#find');
    await page.keyboard.insertText('ledger');
    await expect(page.locator('.float')).toContainText('ledger');
    await key(page, 'Enter');
    await focused(page, '#canvas');
    await page.screenshot({ path: `shots/keyboard-map-${theme}.png` });
    await key(page, 'Enter');
    await expect(page).toHaveURL(/\/service\/payments\/ledger/);
    await key(page, 'Escape');
    await expect(page).toHaveURL(/\/service$/);

    // The menu opens, closes on Escape without losing its place, and signs out.
    await reach(page, '#you', 'Shift+Tab');
    await key(page, 'Enter');
    await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
    await key(page, 'Escape');
    await focused(page, '#you');
    await key(page, 'Enter');
    await reach(page, '.menu button:last-of-type');
    await key(page, 'Enter');
    await expect(page.locator('#credential')).toBeVisible();
  });
}

test('every link inside is followed without a reload, and opens a tab of its own when asked to', async ({ page, context }) => {
  expects('401');
  await page.goto(demo.url);
  await page.locator('#credential').fill(demo.token);
  await page.locator('button[type=submit]').click();
  await expect(page.locator('.att a').first()).toBeVisible();
  await page.evaluate(() => (window.same = true));
  const same = () => page.evaluate(() => window.same === true);

  for (const [what, address] of [
    ['.att a', /\/(pod|node|deployment|service)\/[^/]+\/[^/]+$/],
    ['.crumb a', /\/(pod|node|deployment|service)$/],
    ['.home', /:\d+\/$/],
    ['a.node', /\/node\/_\/node-/],
    ['.rail a[href^="pod"]', /\/pod$/],
    ['.rows .tr', /\/pod\/[^/]+\/[^/]+$/],
    ['.drawer dl a', /\/(deployment|node)\/[^/]+\/[^/]+$/],
    ['.rail a[href^="map"]', /\/map$/],
  ]) {
    await page.locator(what).first().click();
    await expect(page, what).toHaveURL(address);
    expect(await same(), `${what} reloads the page`).toBe(true);
  }
  await page.goBack();
  await expect(page).toHaveURL(/\/(deployment|node)\//);
  expect(await same()).toBe(true);

  for (const how of [{ modifiers: ['ControlOrMeta'] }, { button: 'middle' }]) {
    const before = page.url();
    const [tab] = await Promise.all([context.waitForEvent('page'), page.locator('.rail a[href^="service"]').click(how)]);
    await expect(tab).toHaveURL(/\/service$/);
    await expect(tab.getByRole('row').nth(2)).toBeVisible();
    await tab.close();
    expect(page.url()).toBe(before);
    expect(await same()).toBe(true);
  }
});
