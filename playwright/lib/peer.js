// metrics-server beside us on the real cluster, asked directly or put behind our Service.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { token } from './real.js';

const { CLUSTER_DIR: dir, BIN: bin, ADDRESS: address } = process.env;

/** Starts it on `port`, with a serving certificate of these files or its own. */
export function metricsServer(port, { certificate, key } = {}) {
  const certificates = mkdtempSync(join(tmpdir(), 'metrics-server-'));
  const kubeconfig = `${dir}/taffrail.kubeconfig`;
  const child = spawn(`${bin}/metrics-server`, [
    `--kubeconfig=${kubeconfig}`, `--authentication-kubeconfig=${kubeconfig}`, `--authorization-kubeconfig=${kubeconfig}`,
    `--bind-address=${address}`, `--secure-port=${port}`, `--cert-dir=${certificates}`, '--kubelet-insecure-tls',
    '--kubelet-preferred-address-types=InternalIP', '--metric-resolution=10s', '--kubelet-request-timeout=9s',
    ...(certificate ? [`--tls-cert-file=${certificate}`, `--tls-private-key-file=${key}`] : []),
  ], { stdio: 'ignore' });
  return {
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
      rmSync(certificates, { recursive: true });
    },
  };
}

/** A list of one server, asked directly; empty while it is not there. */
export async function list(port, resource, version = 'v1beta1') {
  try {
    const url = `https://${address}:${port}/apis/metrics.k8s.io/${version}/${resource}`;
    const { stdout } = await promisify(execFile)('curl', ['-sk', '--noproxy', '*', '--max-time', '5', '-H', `Authorization: Bearer ${token.watcher}`, url], { maxBuffer: 1 << 26 });
    return JSON.parse(stdout).items ?? [];
  } catch {
    return [];
  }
}

/** What a URL answers; empty when nothing does. */
export async function curl(url) {
  try {
    return (await promisify(execFile)('curl', ['-sk', '--noproxy', '*', '--max-time', '2', url])).stdout;
  } catch {
    return '';
  }
}

/** Which ports of ours are behind the Service of the aggregated API, and ready. */
export const slice = (n, port, ready) => JSON.stringify({
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: `taffrail-metrics-${n}`, namespace: 'taffrail', labels: { 'kubernetes.io/service-name': 'taffrail-metrics' } },
  addressType: 'IPv4', ports: [{ name: 'https', port, protocol: 'TCP' }], endpoints: [{ addresses: [address], conditions: { ready } }],
});
