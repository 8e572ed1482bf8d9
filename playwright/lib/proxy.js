// A plain reverse proxy such as an Ingress is: passes everything below a prefix on, upgrades too, and nothing else.
import { createServer, request } from 'node:http';

/** Listens on loopback; `outside` has the paths that were asked for beside the prefix. */
export async function reverseProxy(prefix, target) {
  const [host, port] = target.split(':');
  const outside = [];
  const pass = (incoming) => request({ host, port, method: incoming.method, path: incoming.url, headers: { ...incoming.headers, 'x-forwarded-proto': 'http' } });
  const inside = (incoming) => incoming.url.startsWith(prefix) || incoming.url === prefix.replace(/\/$/, '') || (outside.push(incoming.url), false);
  const server = createServer((incoming, answer) => {
    if (!inside(incoming)) return answer.writeHead(404).end();
    const outgoing = pass(incoming);
    outgoing.on('response', (response) => {
      answer.writeHead(response.statusCode, response.rawHeaders);
      response.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    incoming.pipe(outgoing);
  });
  server.on('upgrade', (incoming, socket) => {
    if (!inside(incoming)) return socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    const outgoing = pass(incoming);
    const gone = (one, other) => one.on('error', () => other.destroy()).on('close', () => other.destroy());
    outgoing.on('upgrade', (response, upstream) => {
      const lines = [];
      for (let at = 0; at < response.rawHeaders.length; at += 2) lines.push(`${response.rawHeaders[at]}: ${response.rawHeaders[at + 1]}\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
      gone(upstream, socket);
      gone(socket, upstream);
      upstream.pipe(socket).pipe(upstream);
    });
    outgoing.on('response', (response) => socket.end(`HTTP/1.1 ${response.statusCode} Refused\r\n\r\n`));
    outgoing.on('error', () => socket.destroy());
    outgoing.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections()));
  return { address: `http://127.0.0.1:${server.address().port}`, outside, stop };
}
