// Our rows and kubectl's, side by side. Ours come over the live link, through the program backend/examples/rows.rs.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { kubectl } from './taffrail.js';

const word = (title) => title.toLowerCase().replaceAll(' ', '-');
const part = (line) => line.trimEnd().split(/ {3,}/);

/** Seconds of an age as kubectl prints it, `3m20s`, and what its smallest unit is worth. */
function age(text) {
  const worth = { s: 1, m: 60, h: 3600, d: 86_400, y: 31_536_000 };
  const parts = [...text.matchAll(/(\d+)([smhdy])/g)].map(([, number, unit]) => [Number(number), worth[unit]]);
  return { seconds: parts.reduce((sum, [number, unit]) => sum + number * unit, 0), unit: parts.at(-1)?.[1] ?? 1 };
}

/** A row without the ages in it, and those apart: time goes on between two looks. */
function apart(columns, cells) {
  const ages = [];
  const take = (text) => text.replace(/(?:\d+[smhdy])+/g, (found) => (ages.push(age(found)), '~'));
  return { text: cells.map((cell, at) => (['age', 'restarts'].includes(columns[at]) ? take(cell) : cell)).join(' | '), ages };
}

const table = (columns, rows) => ({ columns, rows: rows.map((cells) => apart(columns, cells)) });

/** What `kubectl get KIND -o wide` prints now; of all namespaces. */
export function theirs(kind) {
  const [head, ...rows] = kubectl(['get', kind, '-o', 'wide', ...(kind === 'pods' ? ['-A'] : [])]).trimEnd().split('\n').map(part);
  return table(head.map(word), rows);
}

/** In words, where two tables differ; empty when they are the same but for `slack` seconds of their ages. */
export function difference(ours, theirs, slack = 2) {
  const found = [];
  if (ours.columns.join() !== theirs.columns.join()) found.push(`columns\n  ours    ${ours.columns}\n  kubectl ${theirs.columns}`);
  for (let at = 0; at < Math.max(ours.rows.length, theirs.rows.length); at += 1) {
    const [a, b] = [ours.rows[at], theirs.rows[at]];
    const late = () => a.ages.some(({ seconds, unit }, n) => Math.abs(seconds - b.ages[n].seconds) > slack + Math.max(unit, b.ages[n].unit) - 1);
    if (a?.text !== b?.text) found.push(`row ${at}\n  ours    ${a?.text}\n  kubectl ${b?.text}`);
    else if (late()) found.push(`ages of ${a.text}: ours ${JSON.stringify(a.ages)}, kubectl's ${JSON.stringify(b.ages)}`);
  }
  return found.join('\n');
}

/** Follows our tables. `now.pods`, `now.nodes`: as they are; `shown`: every pod's row that was ever shown. */
export async function follow(plain, token) {
  const answer = await fetch(`http://${plain}/session`, { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json', 'x-taffrail': '1' }, body: JSON.stringify({ token }) });
  if (!answer.ok) throw new Error(`not signed in: ${answer.status} ${await answer.text()}`);
  const { proof } = await answer.json();
  const child = spawn(process.env.ROWS, [plain, answer.headers.get('set-cookie').split(';')[0], proof], { stdio: ['ignore', 'pipe', 'pipe'] });
  let trouble = '';
  child.stderr.on('data', (chunk) => (trouble += chunk));
  const link = { now: {}, shown: new Set(), check: () => { if (child.exitCode !== null) throw new Error(`the link ended: ${trouble}`); }, stop: () => child.kill() };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { kind, columns, rows } = JSON.parse(line);
    // kubectl names the namespace in front of a namespaced kind.
    link.now[`${kind}s`] = kind === 'pod' ? table(['namespace', ...columns], rows) : table(columns, rows.map(([, ...cells]) => cells));
    if (kind === 'pod') for (const { text } of link.now.pods.rows) link.shown.add(text);
  });
  return link;
}

/** Every pod's row that `kubectl get pods -A -o wide --watch` prints. */
export function watched() {
  const child = spawn('kubectl', ['get', 'pods', '-A', '-o', 'wide', '--watch', '--output-watch-events'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const rows = new Set();
  let columns;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [event, ...cells] = part(line);
    if (event === 'EVENT') columns = cells.map(word);
    else rows.add(apart(columns, cells).text);
  });
  return { rows, stop: () => child.kill() };
}
