// A person of one namespace sees that namespace, all of it, and nothing else: in tables, counts, search, charts, the map and in what is refused.
import { test, expect } from '@playwright/test';
import { apply, end, pod, root, serve, signIn, space, token, visit } from '../lib/real.js';
import { kubectl, taffrail } from '../lib/taffrail.js';

let product;
test.beforeAll(async () => {
  product = await taffrail(serve, /serving/);
});
test.afterAll(async () => product?.stop());

const names = (kind, namespace) => kubectl(['-n', namespace, 'get', kind, '-o', 'jsonpath={.items[*].metadata.name}']).split(' ').filter(Boolean);

/** Every byte the live link brings. */
function listen(page) {
  const heard = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => heard.push(Buffer.from(payload))));
  return () => Buffer.concat(heard).toString('latin1');
}

test('tables, counts, search, charts and the map are of one namespace', { tag: '@portable' }, async ({ page }) => {
  test.setTimeout(120_000);
  const heard = listen(page);
  apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'mine', namespace: space }, spec: { selector: { app: 'burn' }, ports: [{ port: 80 }] } });
  try {
    await signIn(page, token.tess, 'pod');
    const rows = page.getByRole('rowgroup').getByRole('row');
    await expect(rows).toHaveCount(names('pods', space).length);
    for (const name of names('pods', space)) await expect(page.getByRole('row', { name: new RegExp(`${space}/${name}`) })).toBeVisible();
    await expect(page.getByText(/Showing 1 of \d+ namespaces/)).toHaveCount(0); // how many there are is not hers to know
    // The rail's counts, and what may not be listed has none.
    const link = (name) => page.getByRole('navigation').getByRole('link', { name: new RegExp(`^${name}`) });
    for (const [title, kind] of [['Pods', 'pods'], ['Deployments', 'deployments'], ['Services', 'services']]) {
      await expect.poll(async () => Number((await link(title).innerText()).match(/(\d+)\s*$/)?.[1]), { message: title }).toBe(names(kind, space).length);
    }
    expect(await link('Nodes').innerText()).not.toMatch(/\d/);
    // A search for what is elsewhere finds nothing, and counts only hers.
    await page.getByRole('searchbox', { name: /Filter/ }).fill('coredns');
    await expect(page.getByText(`${names('pods', space).length} exist without the filter`)).toBeVisible();
    await page.getByRole('searchbox', { name: /Filter/ }).fill('burn');
    await expect(rows).toHaveCount(1);

    await visit(page, root);
    const panel = (title) => page.locator('section').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
    await expect(panel('Pods').locator('header .right')).toHaveText(String(names('pods', space).length));
    await expect(panel('Nodes')).toHaveCount(0);
    // The requests of burn, and of nothing beside it, are what the chart of her cluster knows.
    await expect(panel('CPU').locator('.big')).toBeVisible();

    await visit(page, `${root}pod/${space}/burn`);
    await expect(page.locator('aside canvas').first()).toBeVisible();
    await visit(page, `${root}map?view=table`);
    const map = page.locator('ul.mirror');
    for (const name of names('services', space)) await expect(map.locator(`a[href^="service/${space}/${name}"]`).first()).toBeVisible();
    await visit(page, `${root}node`);
    await expect(page.getByText('You may not list Nodes')).toBeVisible();
    await visit(page, `${root}pod?ns=kube-system,default`);
    await expect(rows).toHaveCount(0);
  } finally {
    kubectl(['-n', space, 'delete', 'service', 'mine', '--ignore-not-found']);
  }
  // Not a byte about anything else came, whatever the page showed of it.
  const elsewhere = kubectl(['get', 'pods,services,deployments', '-A', '--no-headers', '-o', 'custom-columns=NS:.metadata.namespace,N:.metadata.name']).trim().split('\n').map((line) => line.split(/\s+/)).filter(([namespace]) => namespace !== space);
  // Two names that everybody knows: where a proxy's mode would be read, and who places pods.
  const known = heard().replaceAll('DaemonSet of kube-system', '').replaceAll('default-scheduler', '');
  expect(known).toContain('burn');
  const shortest = process.env.HARNESS ? 5 : 11; // on somebody's cluster a short name may be a word of ours by chance
  const foreign = new Set(elsewhere.flat().filter((word) => word.length > shortest && !space.includes(word)));
  const leaks = [...foreign].filter((word) => known.includes(word)).map((word) => known.slice(known.indexOf(word) - 80, known.indexOf(word) + 80));
  expect(leaks).toEqual([]);
});

test('an object of another namespace is answered as one that never was', { tag: '@portable' }, async ({ page }) => {
  const here = names('pods', 'kube-system')[0] ?? names('pods', 'default')[0];
  const namespace = names('pods', 'kube-system').length > 0 ? 'kube-system' : 'default';
  expect(here, 'a pod of another namespace').toBeTruthy();
  await signIn(page, token.tess, 'pod');
  const told = [];
  for (const name of [here, 'never-was']) {
    for (const path of [`pod/${namespace}/${name}`, `service/${namespace}/${name}`]) {
      await visit(page, root + path);
      const drawer = page.getByRole('complementary');
      await expect(drawer.getByRole('status')).toBeVisible();
      const summary = await drawer.innerText();
      await drawer.getByRole('tab', { name: 'YAML' }).click();
      await expect(drawer.locator('.body')).not.toHaveText(/Loading/);
      told.push(`${summary}\n${await drawer.locator('.body').innerText()}`.replaceAll(name, 'NAME'));
    }
  }
  expect(told[0]).toBe(told[2]);
  expect(told[1]).toBe(told[3]);
  expect(told[0]).toMatch(/No Pod named NAME in|may not/);
  await expect(page.locator('aside canvas')).toHaveCount(0);
});

test('a right that is taken away takes the rows along', { tag: '@portable' }, async ({ page }) => {
  apply(pod('kept', 'sleep 1000'));
  const binding = JSON.parse(kubectl(['-n', space, 'get', 'rolebinding', 'tess', '-o', 'json']));
  try {
    await signIn(page, token.tess, 'pod');
    const row = page.getByRole('row', { name: new RegExp(`${space}/kept`) });
    await expect(row).toBeVisible();
    kubectl(['-n', space, 'delete', 'rolebinding', 'tess']);
    // Decisions are relied on for 10 s.
    await expect(row).toHaveCount(0, { timeout: 15_000 });
    await expect(page.getByText('You may not list Pods')).toBeVisible();
  } finally {
    apply({ apiVersion: binding.apiVersion, kind: binding.kind, metadata: { name: 'tess', namespace: space }, roleRef: binding.roleRef, subjects: binding.subjects });
    end('kept');
  }
});
