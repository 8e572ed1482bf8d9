// What every journey through the demo shares: the demo itself, signing in, and that no page may complain.
import { test, expect } from '@playwright/test';
import { taffrail } from './taffrail.js';

/** Runs the demo for the tests of a file; its addresses and tokens are there once these begin. */
export function withDemo() {
  const demo = {};
  test.beforeAll(async () => {
    const ready = /open (http:\S+)[\s\S]*?token (\S+)[\s\S]*?namespaces, (\S+)[\s\S]*?KUBECONFIG=(\S+)/;
    const started = await taffrail(['demo', '--listen=127.0.0.1:0'], ready);
    const [, url, token, viewer, kubeconfig] = started.match;
    Object.assign(demo, started, { url, token, viewer, kubeconfig });
  });
  test.afterAll(async () => demo.stop?.());

  // A console error or a CSP report fails the test.
  test.beforeEach(async ({ page }) => {
    const complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.complaints = complaints;
  });
  test.afterEach(async ({ page }, info) => {
    const expected = info.annotations.filter((a) => a.type === 'expects').map((a) => new RegExp(a.description));
    expect(page.complaints.filter((text) => !expected.some((known) => known.test(text)))).toEqual([]);
  });
  return demo;
}

/** What the browser itself logs of an answer that is not 2xx is expected where a refusal is the subject. */
export const expects = (description) => test.info().annotations.push({ type: 'expects', description });

/** Opens `address` and signs in there. */
export async function signIn(page, address, token) {
  expects('401'); // who am I: nobody yet
  await page.goto(address);
  await page.getByRole('textbox', { name: 'Token' }).fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('navigation')).toBeVisible();
}
