// An autoscaler on our numbers and on metrics-server's, behind the same Service: a Deployment that works for a minute grows
// and shrinks with both, and no later with us.
import { test, expect } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { list, metricsServer, slice } from '../lib/peer.js';
import { apply, image, serve } from '../lib/real.js';
import { kubectl, taffrail, tryKubectl } from '../lib/taffrail.js';

const works = 60; // seconds
/** Both read kubelets every 10 s, which measure every 10 to 20 s, and the autoscaler looks every 5 s: how the three fall. */
const chance = 20;
const put = (n, port, ready) => kubectl(['apply', '-f', '-'], { input: slice(n, port, ready) });
const available = () => kubectl(['wait', '--for=condition=Available', 'apiservice/v1beta1.metrics.k8s.io', '--timeout=60s']);
let product;
let folder;
test.beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'scaling-'));
  product = await taffrail(serve, /secure_port=\S+/);
});
test.afterAll(async () => {
  put(1, 10443, true);
  await product?.stop();
  rmSync(folder, { recursive: true });
});

/** A certificate for our Service by our own authority, for somebody else to serve with. */
function certificate() {
  const { data } = JSON.parse(kubectl(['-n', 'taffrail', 'get', 'secret', 'taffrail-serving-ca', '-o', 'json']));
  const at = (name) => join(folder, name);
  for (const name of ['ca.crt', 'ca.key']) writeFileSync(at(name), Buffer.from(data[name], 'base64'), { mode: 0o600 });
  writeFileSync(at('names'), 'subjectAltName=DNS:taffrail-metrics.taffrail.svc\n');
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'tls.key', '-subj', '/CN=peer', '-out', 'tls.csr');
  openssl('x509', '-req', '-in', 'tls.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', 'names', '-out', 'tls.crt');
  return { certificate: at('tls.crt'), key: at('tls.key') };
}

/** Seconds from a Deployment's begin to its second replica, and from the end of its work to a single one again. */
async function cycle(name) {
  const until = Math.floor(Date.now() / 1000) + works;
  const command = `while [ $(date +%s) -lt ${until} ]; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done; exec sleep 100000`;
  const container = { name: 'works', image, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', command], resources: { requests: { cpu: '50m' }, limits: { cpu: '100m' } } };
  const [labels, metadata] = [{ app: name }, { name, namespace: 'default' }];
  apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } } } });
  const atOnce = { stabilizationWindowSeconds: 0 };
  apply({
    apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata,
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 1, maxReplicas: 3, behavior: { scaleUp: atOnce, scaleDown: atOnce }, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }] },
  });
  const began = Date.now();
  const replicas = () => Number(kubectl(['get', 'deployment', name, '-o', 'jsonpath={.spec.replicas}']));
  const intervals = [500];
  try {
    await expect.poll(replicas, { timeout: works * 1000, intervals, message: `${name} grows` }).toBeGreaterThan(1);
    const up = (Date.now() - began) / 1000;
    await expect.poll(() => Date.now() > until * 1000 && replicas(), { timeout: 150_000, intervals, message: `${name} shrinks` }).toBe(1);
    return { up, down: Date.now() / 1000 - until };
  } finally {
    kubectl(['delete', 'hpa,deployment', name, '--wait=false']);
    // Pods that end change the interfaces, and the browser of the next journey drops what it is loading. There may be none.
    tryKubectl(['wait', '--for=delete', 'pod', '-l', `app=${name}`, '--timeout=60s']);
  }
}

test('an autoscaler scales up and down on our numbers within the time it needs on metrics-server’s', async () => {
  test.setTimeout(500_000);
  available();
  await expect.poll(async () => (await list(10443, 'pods')).length, { timeout: 60_000, intervals: [1000] }).toBeGreaterThan(3);
  const ours = await cycle('scaled-by-ours');
  const peer = metricsServer(10445, certificate());
  try {
    await expect.poll(async () => (await list(10445, 'pods')).length, { timeout: 90_000, intervals: [1000] }).toBeGreaterThan(3);
    put(1, 10445, true);
    available();
    const theirs = await cycle('scaled-by-theirs');
    const said = `up after ${ours.up.toFixed(1)} s on ours and ${theirs.up.toFixed(1)} s on theirs, down after ${ours.down.toFixed(1)} and ${theirs.down.toFixed(1)} s`;
    console.log(said);
    expect(ours.up, said).toBeLessThan(theirs.up + chance);
    expect(ours.down, said).toBeLessThan(theirs.down + chance);
  } finally {
    await peer.stop();
  }
});
