// Servers for tests of the console, and a proxy that puts one below a path.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, until } from '../../lib/wait.mjs';

const program = process.env.TAKEOFF_PROGRAM;

// A server on SQLite in a folder of its own, always at the same address.
export async function startServer({ required = false, settings = {}, operationsPort } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'takeoff-console.'));
  const port = await freePort();
  operationsPort ??= await freePort();
  const url = `http://127.0.0.1:${port}`;
  const operations = `http://127.0.0.1:${operationsPort}`;
  const env = {
    PATH: process.env.PATH,
    TAKEOFF_HTTP_BIND: `127.0.0.1:${port}`,
    TAKEOFF_DATA_DIR: join(folder, 'data'),
    TAKEOFF_LOG: 'warn',
    ...(required && { TAKEOFF_AUTH_MODE: 'required', TAKEOFF_HTTP_OPERATIONS_BIND: `127.0.0.1:${operationsPort}` }),
    ...settings,
  };
  const options = { cwd: folder, env };
  const key = required && execFileSync(program, ['keys', 'create', '--admin', '--label', 'of this test'], { ...options, encoding: 'utf8' }).trim();
  let child;

  async function start() {
    child = spawn(program, ['serve'], { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
    await until('the server does not start', () => fetch(`${url}/ready`).then(({ ok }) => ok, () => false));
  }
  async function end(signal) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  await start();
  return {
    url,
    operations,
    key,
    start,
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// A proxy that strips a prefix, and tells which requests did not have it.
export async function startProxy(target, prefix) {
  const { hostname, port, host, origin } = new URL(target);
  const outside = [];
  const headersOf = (headers) => ({ ...headers, host, ...(headers.origin && { origin }) });
  const pathOf = (path) => {
    if (path.startsWith(`${prefix}/`)) return path.slice(prefix.length);
    outside.push(path);
    return undefined;
  };
  const proxy = createServer((asked, answer) => {
    const path = pathOf(asked.url);
    if (!path) return answer.writeHead(404).end();
    const passed = request({ hostname, port, path, method: asked.method, headers: headersOf(asked.headers) }, (found) => {
      answer.writeHead(found.statusCode, found.headers);
      found.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    return asked.pipe(passed);
  });
  proxy.on('upgrade', (asked, socket, begun) => {
    const path = pathOf(asked.url);
    if (!path) return socket.destroy();
    const passed = connect(port, hostname, () => {
      const lines = Object.entries(headersOf(asked.headers)).map(([name, value]) => `${name}: ${value}`);
      passed.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      passed.write(begun);
      passed.pipe(socket).pipe(passed);
    });
    for (const [one, other] of [[passed, socket], [socket, passed]]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  const own = await freePort();
  await new Promise((resolve) => proxy.listen(own, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${own}${prefix}`,
    outside,
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
