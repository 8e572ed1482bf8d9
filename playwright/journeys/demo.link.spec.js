// The live link by both ways: it fills the page, follows the cluster, and comes back after a loss with what changed.
import { kubectl } from '../lib/taffrail.js';
import { test, expect, expects, signIn, startDemo } from '../lib/demo.js';
import { way } from '../lib/way.js';

let demo;
let via;
test.beforeAll(async () => (demo = await startDemo()));
test.afterAll(async () => demo?.stop());
test.afterEach(async () => via?.stop());

const create = (name) => kubectl(['run', name, '-n', 'orders', '--image=example/late:1'], demo);
const row = (page, name) => page.getByRole('row', { name: new RegExp(name) });
const link = (page) => page.getByRole('status').filter({ hasText: /live|reconnecting|connecting/ });

/** The pods of one application in their table, on a page that a reload would unmark. */
async function open(page) {
  await signIn(page, { ...demo, url: via.url }, 'pod?ns=orders');
  await expect(page.getByRole('row').nth(3)).toBeVisible();
  await page.getByRole('searchbox').first().fill('cart');
  await expect(row(page, 'inventory')).toHaveCount(0);
  await expect(row(page, 'cart').first()).toBeVisible();
  await page.evaluate(() => {
    window.sameDocument = true;
  });
}
const sameDocument = (page) => page.evaluate(() => window.sameDocument === true);

const ways = [
  ['a WebSocket', { sockets: true }, /over a WebSocket/],
  ['plain requests', { sockets: false }, /over plain requests/],
];
for (const [name, options, title] of ways) {
  test(`over ${name} the table follows the cluster`, async ({ page }) => {
    expects('WebSocket');
    via = await way(demo.url, options);
    await open(page);
    await expect(link(page)).toHaveAttribute('title', title);
    const pod = `cart-new-${options.sockets}`;
    create(pod);
    await expect(row(page, pod)).toBeVisible();
    kubectl(['delete', 'pod', pod, '-n', 'orders', '--wait=false'], demo);
    await expect(row(page, pod)).toHaveCount(0);
    expect(await sameDocument(page)).toBe(true);
    expect(via.asked.some((path) => /^\/stream\?c=\w+$/.test(path))).toBe(!options.sockets);
  });

  test(`over ${name} a cut link says so and comes back with what changed`, async ({ page }) => {
    expects('WebSocket|ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|ERR_SOCKET');
    via = await way(demo.url, options);
    await open(page);
    await expect(link(page)).toContainText(/live/);
    await row(page, 'cart').first().click();
    await expect(page).toHaveURL(/\/pod\/orders\/cart/); // deeper: what comes back must not ask below this address
    via.cut();
    await expect(link(page)).toContainText(/reconnecting \(\d+\), next in \d+ s/);
    const pod = `cart-late-${options.sockets}`;
    create(pod);
    // A second failed attempt: the page had its chance to hear of the pod, and still shows what it had.
    await expect(link(page)).toContainText(/reconnecting \(([2-9]|\d\d)\)/);
    await expect(row(page, pod)).toHaveCount(0);
    await expect(row(page, 'cart').first()).toBeVisible();
    via.mend();
    await expect(row(page, pod)).toBeVisible();
    await expect(link(page)).toContainText(/live/);
    await expect(link(page)).toHaveAttribute('title', title);
    expect(await sameDocument(page)).toBe(true);
  });
}

test('a tab that found no way for sockets begins with plain requests when it is loaded again', async ({ page }) => {
  expects('WebSocket');
  via = await way(demo.url, { sockets: false });
  await open(page);
  const before = via.asked.length;
  await page.reload();
  await expect(row(page, 'cart').first()).toBeVisible();
  await expect(link(page)).toContainText(/live/);
  const after = via.asked.slice(before);
  expect(after.filter((path) => path.startsWith('/stream'))).toHaveLength(1);
  expect(after).not.toContain('upgrade');
});
