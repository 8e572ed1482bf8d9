// How long answers of the Metrics API take, over one TLS connection that is kept. Prints lines for bench.sh.
//   lists.js NAME PORT KUBECONFIG TIMES
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';

const [name, port, kubeconfig, times] = process.argv.slice(2);
const [, token] = readFileSync(kubeconfig, 'utf8').match(/token: (\S+)/);
const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
const base = '/apis/metrics.k8s.io/v1beta1';

/** Milliseconds from the request to the last byte, the status and the body. */
function get(path, accept) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const headers = { authorization: `Bearer ${token}`, accept };
    request({ host: '127.0.0.1', port, path, headers, agent }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ took: performance.now() - began, status: answer.statusCode, body: Buffer.concat(parts) }));
    }).on('error', reject).end();
  });
}

async function measure(what, path, accept, turns) {
  const took = [];
  let length = 0;
  for (let turn = 0; turn < turns + 2; turn += 1) {
    const answer = await get(path, accept);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`);
    if (turn >= 2) took.push(answer.took); // the first ones open the connection and fill caches of reviews
    length = answer.body.length;
  }
  took.sort((a, b) => a - b);
  const at = (part) => took[Math.min(took.length - 1, Math.floor(took.length * part))].toFixed(1);
  console.log(`bench: ${name}, ${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${length} bytes`);
}

const protobuf = 'application/vnd.kubernetes.protobuf';
const all = JSON.parse((await get(`${base}/pods`, 'application/json')).body);
const { namespace, name: pod } = all.items[Math.floor(all.items.length / 2)].metadata;
const turns = Number(times);
await measure(`list of ${all.items.length} pods, JSON`, `${base}/pods`, 'application/json', turns);
await measure(`list of ${all.items.length} pods, protobuf`, `${base}/pods`, protobuf, turns);
await measure('one pod, protobuf', `${base}/namespaces/${namespace}/pods/${pod}`, protobuf, turns * 10);
agent.destroy();
