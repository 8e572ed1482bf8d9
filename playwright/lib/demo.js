// What every journey through the demo shares: the demo itself, signing in, and that no page may complain.
import { test as base, expect } from '@playwright/test';
import { mkdirSync } from 'node:fs';
import { taffrail } from './taffrail.js';

/** A console error or a CSP report fails the test, unless the test says with {@link expects} that it is its subject. */
export const test = base.extend({
  complaints: [
    async ({ page }, use, info) => {
      const complaints = [];
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(String(error)));
      await use(complaints);
      const expected = info.annotations.filter((a) => a.type === 'expects').map((a) => new RegExp(a.description));
      expect(complaints.filter((text) => !expected.some((known) => known.test(text)))).toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

/** What the browser itself logs of an answer that is not 2xx is expected where a refusal is the subject. */
export const expects = (pattern) => test.info().annotations.push({ type: 'expects', description: pattern });

/** Starts `taffrail demo`: `{ url, token, kubeconfig, viewer(), output(), stop() }`, where the viewer may read two namespaces only. */
export async function startDemo(args = []) {
  mkdirSync('shots', { recursive: true });
  const demo = await taffrail(['demo', '--listen=127.0.0.1:0', ...args], /open (http:\S+)[\s\S]*?token (\S+)[\s\S]*?KUBECONFIG=(\S+)/);
  const [, url, token, kubeconfig] = demo.match;
  return { ...demo, url, token, kubeconfig, viewer: () => demo.output().match(/viewer of two namespaces, (\S+)/)[1] };
}

/** Opens a page of the demo as nobody and signs in there, in whatever language it speaks. */
export async function signIn(page, demo, path = '', token = demo.token) {
  expects('401'); // who am I: nobody yet
  await page.goto(demo.url + path);
  await page.locator('#credential').fill(token);
  await page.locator('button[type=submit]').click();
  await expect(page.getByRole('navigation')).toBeVisible();
}
