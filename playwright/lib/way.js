// The way between a browser and Taffrail: a proxy that a test cuts and mends, or that lets no WebSocket through.
import http from 'node:http';
import net from 'node:net';

/** `sockets: false` answers upgrades as a proxy does that knows none. */
export async function way(target, { sockets = true } = {}) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  const asked = [];
  let whole = true;

  const server = http.createServer((request, response) => {
    asked.push(request.url);
    const { method, url: path, headers } = request;
    const onward = http.request({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders(); // a stream's head goes on before its body comes
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('upgrade', (request, socket) => {
    asked.push('upgrade');
    if (!sockets) return socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    const lines = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    const onward = net.connect(port, hostname, () => {
      onward.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.on('connection', (socket) => {
    socket.on('error', () => socket.destroy());
    if (!whole) return socket.destroy();
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  const cut = () => {
    whole = false;
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** Paths asked for, `upgrade` for a socket, in order. */
    asked,
    /** Ends every connection and takes no new one. */
    cut,
    mend: () => {
      whole = true;
    },
    stop: () => {
      cut();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
