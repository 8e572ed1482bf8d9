// Starts the binary and ends it by the process that was started.
import { spawn, execFileSync } from 'node:child_process';

/** Runs `taffrail ARGS…`; resolves when a line of its output matches `ready`. */
export async function taffrail(args, ready, env = {}) {
  const child = spawn(process.env.TAFFRAIL, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const seen = new Promise((resolve, reject) => {
    const take = (chunk) => {
      output += chunk;
      const found = output.match(ready);
      if (found) resolve(found);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('exit', (code) => reject(new Error(`taffrail ended with ${code}:\n${output.slice(-4000)}`)));
    child.on('error', reject);
  });
  const match = await seen;
  return {
    match,
    pid: child.pid,
    output: () => output,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve(child.exitCode);
        child.on('exit', resolve);
        child.kill('SIGTERM');
      }),
  };
}

/** kubectl with a kubeconfig (default: the environment's); returns what it prints. */
export function kubectl(args, { kubeconfig, input } = {}) {
  const env = kubeconfig ? { ...process.env, KUBECONFIG: kubeconfig } : process.env;
  return execFileSync('kubectl', args, { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

/** As kubectl, but a refusal is an answer: `{ code, out, err }`. */
export function tryKubectl(args, options = {}) {
  try {
    return { code: 0, out: kubectl(args, options), err: '' };
  } catch (error) {
    return { code: error.status, out: String(error.stdout), err: String(error.stderr) };
  }
}
