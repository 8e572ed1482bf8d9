// What a person waits for, in a browser on this machine. Prints lines for bench.sh.
//   browser.js SIMULATOR TAFFRAIL
import { chromium } from '@playwright/test';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as https } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taffrail } from '../lib/taffrail.js';

const [simulator, program] = process.argv.slice(2);
process.env.TAFFRAIL = program;
const plain = '127.0.0.1:19081';
const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server', '--disable-background-networking'];
const print = (text) => console.log(`bench: ${text}`);
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const at = (numbers, part) => sorted(numbers)[Math.min(numbers.length - 1, Math.floor(numbers.length * part))];
const ms = (number) => `${Math.round(number)} ms`;
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** A simulated cluster in a process of its own, with Taffrail beside it. */
async function cluster(nodes, podsPerNode) {
  const dir = mkdtempSync(join(tmpdir(), 'taffrail-bench-'));
  const file = join(dir, 'kubeconfig');
  const sim = spawn(simulator, [String(nodes), String(podsPerNode), file], { stdio: ['pipe', 'ignore', 'inherit'] });
  while (!existsSync(file)) await pause(200);
  const flags = ['serve', `--kubeconfig=${file}`, '--secure-port=0', '--ui-port=0', `--ui-http-port=${plain.split(':')[1]}`, '--kubelet-preferred-address-types=InternalIP', '--kubelet-use-node-status-port'];
  const product = await taffrail(flags, /serving/);
  const admin = readFileSync(`${file}.admin`, 'utf8');
  const [, token] = admin.match(/token: (\S+)/);
  const [, api] = admin.match(/server: (\S+)/);
  const stop = async () => {
    await product.stop();
    sim.stdin.end();
    await new Promise((resolve) => sim.on('exit', resolve));
    rmSync(dir, { recursive: true });
  };
  return { sim, token, api, url: `http://${plain}/`, stop };
}

/** The session's cookie. */
async function session({ url, token }) {
  const answer = await fetch(`${url}session`, { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json', 'x-taffrail': '1' }, body: JSON.stringify({ token }) });
  if (!answer.ok) throw new Error(`not signed in: ${answer.status} ${await answer.text()}`);
  const [name, value] = answer.headers.get('set-cookie').split(';')[0].split('=');
  return { name, value, url };
}

/** A browser that has seen nothing yet, but is signed in. */
async function fresh(browser, cookie) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addCookies([cookie]);
  return context;
}

const rows = (page) => page.locator('.rows .tr');

async function firstPaint(browser, place) {
  const cookie = await session(place);
  const [paints, firsts] = [[], []];
  for (let turn = 0; turn < 9; turn += 1) {
    const context = await fresh(browser, cookie);
    await context.addInitScript(() => {
      const look = () => (document.querySelector('.rows .tr') ? requestAnimationFrame(() => (window.firstRows = performance.now())) : requestAnimationFrame(look));
      requestAnimationFrame(look);
    });
    const page = await context.newPage();
    await page.goto(`${place.url}pod`);
    await page.waitForFunction(() => window.firstRows);
    const [paint, first] = await page.evaluate(() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, window.firstRows]);
    paints.push(paint);
    firsts.push(first);
    await context.close();
  }
  print(`first contentful paint, nothing cached: median ${ms(at(paints, 0.5))}, at worst ${ms(at(paints, 1))} (budget 200 ms)`);
  print(`first rows, nothing cached: median ${ms(at(firsts, 0.5))}, at worst ${ms(at(firsts, 1))} (budget 500 ms)`);
}

/** Frames of the browser while the table is scrolled by the wheel; how many rows it held at most. */
async function scroll(page) {
  await page.evaluate(() => {
    window.frames_ = [];
    window.held = 0;
    let last = performance.now();
    const frame = (now) => {
      window.frames_.push(now - last);
      window.held = Math.max(window.held, document.querySelectorAll('.rows .tr').length);
      last = now;
      if (window.frames_.length < 100_000) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const box = await page.locator('.rows').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (let turn = 0; turn < 200; turn += 1) {
    await page.mouse.wheel(0, 240);
    await pause(16);
  }
  return page.evaluate(() => ({ frames: window.frames_.splice(0), held: window.held }));
}

/** From a click on a column to its rows. */
async function sorting(page, pods) {
  const times = [];
  for (const name of ['node', 'status', 'restarts', 'age', 'node']) {
    const head = page.locator(`.th.c-${name} button`);
    const before = await rows(page).allTextContents();
    const began = Date.now();
    await head.click();
    await page.waitForFunction((text) => [...document.querySelectorAll('.rows .tr')].map((row) => row.textContent).join() !== text, before.join(), { polling: 'raf', timeout: 10_000 }).catch(() => {});
    times.push(Date.now() - began);
  }
  print(`table of ${pods} pods, from a click on a column to its rows in the browser: median ${ms(at(times, 0.5))}, at worst ${ms(at(times, 1))} (budget 100 ms to answer)`);
}

async function big(browser, place, pods) {
  const context = await fresh(browser, await session(place));
  const page = await context.newPage();
  await page.goto(`${place.url}pod`);
  await rows(page).nth(10).waitFor({ timeout: 120_000 });
  const { frames, held } = await scroll(page);
  print(`table of ${pods} pods, scrolled by the wheel: a frame each ${at(frames, 0.5).toFixed(1)} ms, 95 % within ${at(frames, 0.95).toFixed(1)} ms (budget 16.7: 60 frames a second), ${held} rows in the document (budget 60)`);
  await page.goto(`${place.url}pod`);
  await rows(page).nth(10).waitFor();
  await sorting(page, pods);
  const began = Date.now();
  await page.goto(place.url);
  await page.locator('.att').waitFor({ timeout: 60_000 });
  print(`overview of ${pods} pods, from its address to its numbers: ${ms(Date.now() - began)}`);
  await context.close();
}

/** A request to the simulated API server. */
function post(place, path, object) {
  const body = JSON.stringify(object);
  const headers = { authorization: `Bearer ${place.token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const asked = https(`${place.api}${path}`, { method: 'POST', headers, rejectUnauthorized: false }, (answer) => {
      answer.resume();
      answer.on('end', () => (answer.statusCode < 300 ? resolve() : reject(new Error(`${path}: ${answer.statusCode}`))));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const heap = async (probe) => (await probe.send('Performance.getMetrics')).metrics.find((one) => one.name === 'JSHeapUsedSize').value;

async function churn(browser, place, changes) {
  const context = await fresh(browser, await session(place));
  const page = await context.newPage();
  await page.goto(`${place.url}pod`);
  await rows(page).nth(10).waitFor({ timeout: 120_000 });
  const probe = await context.newCDPSession(page);
  await probe.send('Performance.enable');
  await page.evaluate(() => {
    window.seen = new Map();
    const look = () => {
      for (const row of document.querySelectorAll('.rows .tr')) {
        const name = row.textContent.match(/probe-\d{4}/)?.[0];
        if (name && !window.seen.has(name)) window.seen.set(name, Date.now());
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await post(place, '/api/v1/namespaces', { metadata: { name: 'aaa' } });
  place.sim.stdin.write(`${changes}\n`);
  await pause(5_000);
  await probe.send('HeapProfiler.collectGarbage');
  const [before, start] = [await heap(probe), Date.now()];
  const times = [];
  for (let turn = 0; turn < 30; turn += 1) {
    const name = `probe-${String(1000 + turn)}`;
    const began = Date.now();
    await post(place, '/api/v1/namespaces/aaa/pods', { metadata: { name, namespace: 'aaa' }, spec: { containers: [{ name: 'app', image: 'example/probe:1' }] } });
    await page.waitForFunction((name) => window.seen.has(name), name, { polling: 50, timeout: 10_000 });
    times.push((await page.evaluate((name) => window.seen.get(name), name)) - began);
    await pause(Number.parseInt(createHash('sha256').update(name).digest('hex').slice(0, 4), 16) % 500); // at any moment of the interval
  }
  print(`event to pixel, 10,000 pods, ${changes} changes/s: median ${ms(at(times, 0.5))}, 95 % within ${ms(at(times, 0.95))} (budget 350 ms: 100 beyond the interval of 250)`);
  await pause(30_000);
  await probe.send('HeapProfiler.collectGarbage');
  const [after, seconds] = [await heap(probe), Math.round((Date.now() - start) / 1000)];
  print(`the tab's heap after ${seconds} s of ${changes} changes/s: ${(after / 1e6).toFixed(1)} MB, ${(before / 1e6).toFixed(1)} MB at their begin (budget 150 MB after 8 h)`);
  await context.close();
}

/** A chart's frame with its one nameless line of 360 points as often as wanted; other frames as they are. */
function multiplied(frame, lines) {
  if (typeof frame === 'string') return frame;
  const head = [1, 0, 0xe8, 0x02]; // one line, an empty label, 360 as a varint
  const start = frame.indexOf(Buffer.from(head));
  if (start < 0) return frame;
  const end = start + head.length + 360 * 4;
  const line = frame.subarray(start + 1, end);
  return Buffer.concat([frame.subarray(0, start), Buffer.from([lines]), ...Array.from({ length: lines }, () => line), frame.subarray(end)]);
}

/** Script of a redraw: the charts of a demo's first page, drawn again because their size changes. */
async function redraw(browser, { url, token }, lines) {
  const context = await fresh(browser, await session({ url, token }));
  const page = await context.newPage();
  await page.routeWebSocket(/.*/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => socket.send(multiplied(frame, lines)));
  });
  await page.goto(url);
  await page.locator('.att').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.plot canvas').length === 2 && !document.querySelector('.plot .why'));
  const probe = await context.newCDPSession(page);
  await probe.send('Performance.enable');
  const script = async () => (await probe.send('Performance.getMetrics')).metrics.find((one) => one.name === 'ScriptDuration').value;
  const turns = 200;
  /** Frames in which the charts change their size, or don't: the difference is what drawing costs. */
  const frames = async (by) => {
    const before = await script();
    await page.evaluate(async ([turns, by]) => {
      for (let turn = 0; turn < turns; turn += 1) {
        for (const plot of document.querySelectorAll('.plot')) plot.style.width = `${500 + by * (turn % 7)}px`;
        await new Promise(requestAnimationFrame);
      }
    }, [turns, by]);
    return (await script()) - before;
  };
  await frames(1); // the browser compiles what is hot
  const still = await frames(0);
  const one = ((await frames(1)) - still) * 1000 / turns / 2;
  print(`chart redraw, ${lines} × 360 points: ${one.toFixed(2)} ms of script (budget 1 ms for 20 × 300)`);
  await context.close();
}

const browser = await chromium.launch({ executablePath: process.env.CHROME ?? '/usr/bin/chromium', args });
try {
  const demo = await taffrail(['demo', '--listen=127.0.0.1:0'], /open (http:\S+)[\s\S]*?token (\S+)/);
  const [, url, token] = demo.match;
  await redraw(browser, { url, token }, 1);
  await redraw(browser, { url, token }, 20);
  await demo.stop();
  let place = await cluster(200, 50);
  await firstPaint(browser, place);
  await churn(browser, place, 1000);
  await place.stop();
  place = await cluster(5000, 30);
  await big(browser, place, '150,000');
  await place.stop();
} finally {
  await browser.close();
}
