// Our pod and node cells are kubectl's: every row, every column of `-o wide`, while things change.
import { test, expect } from '@playwright/test';
import { spawn } from 'node:child_process';
import { apply, end, image, plain, pod, serve, space, token } from '../lib/real.js';
import { difference, follow, theirs, watched } from '../lib/rows.js';
import { kubectl, taffrail } from '../lib/taffrail.js';

let product;
let ours;
test.beforeAll(async () => {
  product = await taffrail(serve, /serving/);
  ours = await follow(plain, token.watcher);
  await expect.poll(() => (ours.check(), Object.keys(ours.now).sort()), { timeout: 20_000 }).toEqual(['nodes', 'pods']);
});
test.afterAll(async () => {
  ours?.stop();
  await product?.stop();
});

/** Ours must be what kubectl prints. While that changes under our eyes, kubectl is asked anew; once it is the same before and after, ours has no excuse. */
async function agree(kind) {
  for (let before = theirs(kind); ; ) {
    const deadline = Date.now() + 1500;
    let differs;
    do {
      ours.check();
      differs = difference(ours.now[kind], before);
      if (!differs) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } while (Date.now() < deadline);
    const after = theirs(kind);
    if (!difference(before, after, 60)) expect(differs, `kubectl get ${kind} -o wide, unchanged for 1.5 s`).toBe('');
    before = after;
  }
}

/** Agrees again and again until `done`; how often. */
async function agreeUntil(kind, done) {
  for (let times = 1; ; times += 1) {
    await agree(kind);
    if (done()) return times;
  }
}

const cell = (name, column) => kubectl(['-n', space, 'get', 'pods', '-l', `name=${name}`, '--no-headers', '-o', `custom-columns=x:${column}`]).trim();

test('every pod cell is kubectl’s, through a rollout, a crash and a deletion', { tag: '@portable' }, async () => {
  test.setTimeout(240_000);
  await agree('pods');
  const kubectls = watched();
  await expect.poll(() => kubectls.rows.size, { timeout: 20_000 }).toBeGreaterThan(0);
  await agree('pods');
  ours.shown.clear();
  const { spec } = pod('', 'trap "sleep 1; exit 0" TERM; touch /tmp/ready; while :; do sleep 0.1; done');
  spec.terminationGracePeriodSeconds = 5;
  spec.containers[0].readinessProbe = { exec: { command: ['ls', '/tmp/ready'] }, periodSeconds: 1 };
  spec.initContainers = [{ name: 'first', image, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', 'sleep 1'] }];
  const deployment = (version) => ({
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'turn', namespace: space },
    spec: { replicas: 3, selector: { matchLabels: { name: 'turn' } }, template: { metadata: { labels: { name: 'turn', version } }, spec } },
  });
  try {
    for (const version of ['one', 'two']) {
      apply(deployment(version));
      const status = spawn('kubectl', ['-n', space, 'rollout', 'status', 'deployment/turn', '--timeout=90s'], { stdio: 'ignore' });
      expect(await agreeUntil('pods', () => status.exitCode !== null), `looks during the rollout of ${version}`).toBeGreaterThan(3);
      expect(status.exitCode).toBe(0);
    }
    // A crash, its back-off and a restart; and one that waits for a gate nobody opens.
    apply(pod('crash', 'sleep 2; exit 3', { labels: { name: 'crash' }, readinessGates: [{ conditionType: 'example.com/open' }] }));
    await agreeUntil('pods', () => Number(cell('crash', '.status.containerStatuses[0].restartCount')) >= 2);
    await agree('pods'); // with a look at kubectl that is not older than the second restart
    const { text } = ours.now.pods.rows.find(({ text }) => text.startsWith(`${space} | crash | `));
    expect(text).toMatch(/\| [23] \(~ ago\) \|.*\| 0\/1$/);
    // A deletion: Terminating for as long as it resists, then gone.
    kubectl(['-n', space, 'delete', 'deployment', 'turn', '--wait=false']);
    await agreeUntil('pods', () => cell('turn', '.metadata.name') === '');
    end('crash');
    await agree('pods');
    expect([...ours.shown].some((text) => text.includes('Terminating'))).toBe(true);
    // And nothing was ever shown that kubectl would not have printed at some time.
    await expect.poll(() => [...ours.shown].filter((text) => !kubectls.rows.has(text)), { timeout: 5000 }).toEqual([]);
  } finally {
    kubectls.stop();
    kubectl(['-n', space, 'delete', 'deployment', 'turn', '--ignore-not-found', '--wait=false']);
    end('crash');
  }
});

test('every node cell is kubectl’s, as it is', { tag: '@portable' }, async () => {
  await agree('nodes');
});

test('every node cell is kubectl’s, cordoned and with roles', async () => {
  const changes = [
    ['cordon', 'node-a'],
    ['label', 'node', 'node-a', 'node-role.kubernetes.io/worker=', 'kubernetes.io/role=box'],
    ['uncordon', 'node-a'],
    ['label', 'node', 'node-a', 'node-role.kubernetes.io/worker-', 'kubernetes.io/role-'],
  ];
  const seen = new Set();
  try {
    for (const change of changes) {
      kubectl(change);
      await agree('nodes');
      seen.add(ours.now.nodes.rows[0].text.split(' | ').slice(1, 3).join());
    }
  } finally {
    kubectl(['uncordon', 'node-a']);
  }
  expect([...seen]).toEqual(['Ready,SchedulingDisabled,<none>', 'Ready,SchedulingDisabled,box,worker', 'Ready,box,worker', 'Ready,<none>']);
});
