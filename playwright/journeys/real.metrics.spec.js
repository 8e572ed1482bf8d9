// metrics.k8s.io on a real cluster: what kubectl top, the aggregator and an autoscaler see.
import { test, expect } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { serve } from '../lib/real.js';
import { kubectl, tryKubectl, taffrail } from '../lib/taffrail.js';

const dir = process.env.CLUSTER_DIR;
let product;
let started;
test.beforeAll(async () => {
  started = Date.now();
  product = await taffrail(serve, /secure_port=\S+/);
});
test.afterAll(async () => product?.stop());

test('both versions are Available within 3 s of our start', async () => {
  for (const version of ['v1', 'v1beta1']) {
    kubectl(['wait', '--for=condition=Available', `apiservice/${version}.metrics.k8s.io`, '--timeout=30s']);
  }
  const times = ['v1', 'v1beta1'].map((version) => {
    const service = JSON.parse(kubectl(['get', 'apiservice', `${version}.metrics.k8s.io`, '-o', 'json']));
    return Date.parse(service.status.conditions.find((c) => c.type === 'Available').lastTransitionTime);
  });
  // The condition's time has whole seconds.
  for (const time of times) expect(time - started).toBeLessThanOrEqual(3000);
});

test('kubectl top nodes and pods answer', async () => {
  await expect.poll(() => tryKubectl(['top', 'nodes', '--no-headers']).out, { timeout: 45_000 }).toMatch(/^node-a\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/);
  await expect.poll(() => tryKubectl(['top', 'pods', '-n', 'team', '--containers', '--no-headers']).out, { timeout: 45_000 }).toMatch(/^burn\s+cpu\s+\d+m\s+\d+Mi/);
});

/** The kernel's own counter of a container's CPU time, nanoseconds. */
function cgroupCpu(namespace, pod, container) {
  const object = JSON.parse(kubectl(['-n', namespace, 'get', 'pod', pod, '-o', 'json']));
  const id = object.status.containerStatuses.find((c) => c.name === container).containerID.replace('containerd://', '');
  const path = execFileSync('find', ['/sys/fs/cgroup', '-type', 'd', '-name', id, '-print'], { encoding: 'utf8' }).trim().split('\n');
  for (const folder of path) {
    try {
      return Number(readFileSync(`${folder}/cpuacct.usage`, 'utf8'));
    } catch {
      try {
        return 1000 * Number(readFileSync(`${folder}/cpu.stat`, 'utf8').match(/usage_usec (\d+)/)[1]);
      } catch {
        continue;
      }
    }
  }
  throw new Error(`no counter below ${path}`);
}

const sample = () => {
  const answer = tryKubectl(['get', '--raw', '/apis/metrics.k8s.io/v1/namespaces/team/pods/burn']);
  return answer.code === 0 ? JSON.parse(answer.out) : null;
};
const millicores = (quantity) => Number(quantity.replace(/[num]$/, '')) / ({ n: 1e6, u: 1e3, m: 1 }[quantity.slice(-1)] ?? 1e-3);

test('a container held at 200 millicores reads 190 to 210, five times of five, and agrees with the kernel', async () => {
  test.setTimeout(150_000);
  await expect.poll(() => sample() && millicores(sample().containers[0].usage.cpu), { timeout: 60_000 }).toBeGreaterThan(150);
  let last = sample().timestamp;
  const before = { cpu: cgroupCpu('team', 'burn', 'cpu'), at: Date.now() };
  const read = [];
  while (read.length < 5) {
    await expect.poll(() => sample()?.timestamp, { timeout: 40_000, intervals: [500] }).not.toBe(last);
    const now = sample();
    last = now.timestamp;
    read.push(millicores(now.containers[0].usage.cpu));
  }
  for (const value of read) {
    expect(value, `${read}`).toBeGreaterThanOrEqual(190);
    expect(value, `${read}`).toBeLessThanOrEqual(210);
  }
  const kernel = (cgroupCpu('team', 'burn', 'cpu') - before.cpu) / (Date.now() - before.at) / 1000;
  const mean = read.reduce((a, b) => a + b) / read.length;
  expect(Math.abs(mean - kernel) / kernel, `ours ${mean}, the kernel's ${kernel}`).toBeLessThan(0.05);
});

test('a killed container gives no negative and no absurd rate', async () => {
  test.setTimeout(120_000);
  const status = () => JSON.parse(kubectl(['-n', 'team', 'get', 'pod', 'burn', '-o', 'json'])).status.containerStatuses[0];
  const before = status();
  const id = before.containerID.replace('containerd://', '');
  execFileSync('ctr', ['-a', `${dir}/ctr/c.sock`, '-n', 'k8s.io', 'task', 'kill', '-s', 'SIGKILL', id]);
  const seen = [];
  const note = () => {
    const now = sample();
    if (now) seen.push(millicores(now.containers[0].usage.cpu));
  };
  await expect.poll(() => (note(), status().restartCount), { timeout: 60_000, intervals: [500] }).toBe(before.restartCount + 1);
  // Through the gap of the restart and two rounds beyond it.
  const restarted = Date.now();
  await expect.poll(() => (note(), Date.now() - restarted > 25_000 && sample() !== null), { timeout: 90_000, intervals: [500] }).toBe(true);
  expect(seen.length).toBeGreaterThan(5);
  for (const value of seen) {
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(1000);
  }
});

test('front-proxy headers from somebody who is not the front proxy are never looked at', async () => {
  const ask = (...extra) => execFileSync('curl', ['-sk', '--noproxy', '*', '-H', 'X-Remote-User: root', '-H', 'X-Remote-Group: system:masters', ...extra, 'https://198.51.100.1:10443/apis/metrics.k8s.io/v1/nodes'], { encoding: 'utf8' });
  expect(JSON.parse(ask()).code).toBe(403);
  expect(JSON.parse(ask('-H', 'Authorization: Bearer wrong')).code).toBe(401);
  expect(JSON.parse(ask('--cert', `${dir}/pki/proxy.crt`, '--key', `${dir}/pki/proxy.key`)).message).toContain('system:kube-proxy');
});
