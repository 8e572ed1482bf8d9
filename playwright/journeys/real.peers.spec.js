// metrics.k8s.io on a real cluster beside others of its kind: metrics-server, and a second replica of ours. And every form
// of an answer, through the aggregator.
import { test, expect } from '@playwright/test';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { curl, list, metricsServer, slice } from '../lib/peer.js';
import { serve } from '../lib/real.js';
import { kubectl, tryKubectl, taffrail } from '../lib/taffrail.js';

const { ADDRESS: address } = process.env;
const versions = ['v1', 'v1beta1'];
/** For how long metrics-server and we are compared at least; ten minutes take COMPARE_SECONDS=600. */
const compared = Number(process.env.COMPARE_SECONDS ?? 75);
let product;
let peer;
let recording;
test.beforeAll(async () => {
  product = await taffrail(serve, /secure_port=\S+/);
  peer = metricsServer(10445);
  recording = record();
});
test.afterAll(async () => {
  await recording?.end();
  await peer?.stop();
  await product?.stop();
});

/** Notes what both servers say of containers, once a second, while everything else goes on. */
function record() {
  const [ours, theirs] = [{}, {}];
  let [began, going] = [0, true];
  const noting = (async () => {
    while (going) {
      const items = await list(10445, 'pods');
      if (items.length > 3) began ||= Date.now();
      note(theirs, items);
      note(ours, await list(10443, 'pods'));
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  })();
  const seconds = () => (began ? (Date.now() - began) / 1000 : 0);
  return { ours, theirs, seconds, end: () => ((going = false), noting) };
}
const nano = (quantity) => Number(quantity.replace(/[num]$/, '')) * ({ n: 1, u: 1e3, m: 1e6 }[quantity.slice(-1)] ?? 1e9);
const bytes = (quantity) => Number(quantity.replace(/[KMG]i$/, '')) * ({ Ki: 1 << 10, Mi: 1 << 20, Gi: 1 << 30 }[quantity.slice(-2)] ?? 1);

/** Per container: nanocores and bytes, by sample time. */
function note(into, items) {
  for (const item of items) {
    for (const { name, usage } of item.containers) {
      const key = `${item.metadata.namespace}/${item.metadata.name}/${name}`;
      (into[key] ??= new Map()).set(item.timestamp, [nano(usage.cpu), bytes(usage.memory)]);
    }
  }
}
const mean = (samples, at) => [...samples.values()].reduce((sum, one) => sum + one[at], 0) / samples.size;

test('every form of an answer passes the aggregator', async () => {
  test.setTimeout(240_000);
  for (const version of versions) kubectl(['wait', '--for=condition=Available', `apiservice/${version}.metrics.k8s.io`, '--timeout=30s']);
  await expect.poll(() => tryKubectl(['top', 'pods', '-A', '--containers', '--no-headers']).out, { timeout: 60_000 }).toMatch(/team\s+burn\s+cpu/);
  const head = (args) => kubectl(args).split('\n')[0].trim().split(/\s+/);
  expect(head(['get', 'nodemetrics'])).toEqual(expect.arrayContaining(['NAME', 'CPU', 'MEMORY', 'WINDOW']));
  expect(head(['get', 'podmetrics', '-A'])).toEqual(expect.arrayContaining(['NAMESPACE', 'NAME', 'CPU', 'MEMORY', 'WINDOW']));
  expect(head(['top', 'pods', '-n', 'team', '--sum'])).toEqual(['NAME', 'CPU(cores)', 'MEMORY(bytes)']);
  expect(head(['top', 'node', '--sort-by=cpu', '--show-capacity'])).toEqual(['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)']);
  for (const line of kubectl(['top', 'pods', '-A', '-l', 'app=web', '--no-headers']).trim().split('\n')) expect(line).toMatch(/^default\s+web-/);
  expect(kubectl(['top', 'pods', '-n', 'team', '--field-selector=metadata.name=burn', '--no-headers'])).toMatch(/^burn/);
  const json = JSON.parse(kubectl(['get', 'podmetrics', 'burn', '-n', 'team', '-o', 'json']));
  expect(json.containers[0].name).toBe('cpu');
  expect(kubectl(['get', 'nodemetrics', 'node-a', '-o', 'yaml'])).toMatch(/kind: NodeMetrics/);
  expect(kubectl(['get', 'nodemetrics', '-o', 'name']).trim()).toBe('nodemetrics.metrics.k8s.io/node-a');
  const missing = tryKubectl(['get', 'podmetrics', 'nobody', '-n', 'team']);
  expect(missing.err).toContain('(NotFound): pods "nobody" not found');
  // OpenAPI reaches the API server's own within its minute.
  await expect.poll(() => tryKubectl(['explain', 'podmetrics.containers']).out, { timeout: 120_000, intervals: [2000] }).toMatch(/name\s+<string> -required-/);
});

test('the API server accepts every manifest', async () => {
  const out = kubectl(['apply', '-k', join(import.meta.dirname, '../../manifests/ha'), '--dry-run=server']);
  for (const object of ['deployment.apps/taffrail', 'service/taffrail', 'poddisruptionbudget.policy/taffrail', 'secret/taffrail-serving-ca']) expect(out).toContain(object);
});

test('two replicas share one authority, and one after the other restarts without a failed request', async () => {
  test.setTimeout(240_000);
  const flags = (port, ...more) => [...serve.filter((flag) => !flag.startsWith('--ui-http-port')), `--secure-port=${port}`, '--ui-port=0', '--ui-http-port=0', '--shutdown-delay-duration=3s', ...more];
  const put = (n, port, ready) => kubectl(['apply', '-f', '-'], { input: slice(n, port, ready) });
  const isReady = async (port) => (await curl(`https://${address}:${port}/readyz`)) === 'ok';
  let second = await taffrail(flags(10444), /secure_port=\S+/);
  try {
    await expect.poll(() => isReady(10444), { timeout: 60_000 }).toBe(true);
    put(2, 10444, true);
    const [one, other] = [{}, {}];
    note(one, await list(10443, 'pods'));
    note(other, await list(10444, 'pods'));
    expect(Object.keys(other).sort()).toEqual(Object.keys(one).sort());
    const failures = [];
    let asked = 0;
    let going = true;
    const asking = (async () => {
      while (going) {
        try {
          await promisify(execFile)('kubectl', ['get', '--raw', `/apis/metrics.k8s.io/${versions[asked % 2]}/nodes`]);
        } catch (error) {
          failures.push(String(error.stderr));
        }
        asked += 1;
      }
    })();
    // Out of the Service first, as a pod that is told to end; then it ends, and its successor comes in when it is ready.
    put(1, 10443, false);
    await product.stop();
    product = await taffrail(serve, /secure_port=\S+/);
    await expect.poll(() => isReady(10443), { timeout: 60_000 }).toBe(true);
    put(1, 10443, true);
    put(2, 10444, false);
    const stopping = second.stop();
    // Told to end, it says so and still answers.
    await expect.poll(() => curl(`https://${address}:10444/readyz`), { intervals: [100] }).toContain('[-]shutdown failed');
    expect((await list(10444, 'nodes')).length).toBe(1);
    await stopping;
    second = await taffrail(flags(10444), /secure_port=\S+/);
    await expect.poll(() => isReady(10444), { timeout: 60_000 }).toBe(true);
    put(2, 10444, true);
    await expect.poll(() => asked, { timeout: 30_000 }).toBeGreaterThan(50);
    going = false;
    await asking;
    expect(failures).toEqual([]);
    for (const version of versions) {
      const service = JSON.parse(kubectl(['get', 'apiservice', `${version}.metrics.k8s.io`, '-o', 'json']));
      expect(service.status.conditions.find((condition) => condition.type === 'Available').status).toBe('True');
      // One authority for both, or each would have added its own.
      const bundle = Buffer.from(service.spec.caBundle, 'base64').toString();
      expect(bundle.match(/BEGIN CERTIFICATE/g).length).toBe(1);
    }
  } finally {
    await second.stop();
    kubectl(['-n', 'taffrail', 'delete', 'endpointslice', 'taffrail-metrics-2', '--ignore-not-found']);
    put(1, 10443, true);
  }
});

test('metrics-server beside us says the same of every container', async () => {
  test.setTimeout(240_000 + compared * 1000);
  const { ours, theirs } = recording;
  await expect.poll(() => recording.seconds(), { timeout: 120_000 + compared * 1000, intervals: [1000] }).toBeGreaterThan(compared);
  await recording.end();
  const both = Object.keys(theirs).filter((key) => ours[key]?.size > 2 && theirs[key].size > 2);
  expect(both.length).toBeGreaterThan(3);
  const apart = [];
  for (const key of both) {
    // What hardly does anything differs by what happens to fall into a window; so much is said by nobody's kubectl.
    const [cpu, peerCpu, memory, peerMemory] = [mean(ours[key], 0), mean(theirs[key], 0), mean(ours[key], 1), mean(theirs[key], 1)];
    if (Math.abs(cpu - peerCpu) > Math.max(0.05 * peerCpu, 2e6)) apart.push(`${key}: ${cpu} and ${peerCpu} nanocores`);
    if (Math.abs(memory - peerMemory) > Math.max(0.05 * peerMemory, 1 << 20)) apart.push(`${key}: ${memory} and ${peerMemory} bytes`);
  }
  expect(apart).toEqual([]);
  // And nobody is missing with us who is there with them.
  expect(Object.keys(theirs).filter((key) => theirs[key].size > 2 && !(key in ours))).toEqual([]);
  console.log(`${both.length} containers compared over ${Math.round(recording.seconds())} s`);
});
