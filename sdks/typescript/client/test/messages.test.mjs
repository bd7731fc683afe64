// The mistakes that a page's author makes first, and what is said of them.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import { createClient } from '../dist/index.js';
import { FEED, withServer } from './server.mjs';

test('an address that is none of HTTP is refused at once', () => {
  for (const url of ['localhost:8080', 'ws://localhost:8080', 'nothing at all']) {
    assert.throws(() => createClient({ url }), { code: 'INVALID_URL', message: new RegExp(`"${url}".*http:// or https://`) }, url);
  }
  assert.throws(() => createClient(), { code: 'INVALID_URL' }, 'there is no page whose directory it could be');
});

test('a submit without a session says so, and nothing is sent', async (t) => {
  const { client, seen } = await withServer(t);
  for (const options of [undefined, {}, { sessionId: '' }]) {
    await assert.rejects(client.submit('echo', {}, options), { code: 'INVALID_INPUT', path: ['input', 'sessionId'], message: /createSession/ });
  }
  assert.equal(seen.posts.length, 0);
});

test('an id that is missing says so, and nothing is sent', async (t) => {
  const { client, seen } = await withServer(t);
  assert.throws(() => client.execution(undefined), { code: 'INVALID_INPUT', message: /executionId/ });
  assert.throws(() => client.session(''), { code: 'INVALID_INPUT', message: /sessionId/ });
  assert.equal(seen.posts.length, 0);
});

test('a page that was answered instead of the API is named with its address', async (t) => {
  const { client } = await withServer(t, { onPost: () => ({ status: 200, body: '<!doctype html>' }) });
  await assert.rejects(client.query('{ a }'), (error) => {
    assert.equal(error.code, 'BAD_ANSWER');
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/graphql answered 200 without GraphQL$/);
    return true;
  });
});

test('a server that cannot be reached is named, and from another origin what else may be the reason', async (t) => {
  const client = createClient({ url: 'http://127.0.0.1:1/' });
  await assert.rejects(client.query('{ a }'), { code: 'NETWORK', message: 'http://127.0.0.1:1/graphql cannot be reached' });
  globalThis.location = { origin: 'http://localhost:5173' };
  t.after(() => delete globalThis.location);
  await assert.rejects(client.query('{ a }'), { message: /cannot be reached, or its http\.cors_origins lacks http:\/\/localhost:5173$/ });
});

test('a platform without WebSocket is told what to pass', async (t) => {
  const { client } = await withServer(t, {}, { webSocket: null });
  t.mock.property?.(globalThis, 'WebSocket', undefined);
  if (globalThis.WebSocket) return;
  await assert.rejects(client.subscribe(FEED).next(), { code: 'PROTOCOL', message: /createClient\(\{ webSocket \}\)/ });
});

test('a socket that does not open says where, and with which code', async (t) => {
  const server = createServer((_, response) => response.writeHead(404).end());
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { default: WebSocket } = await import('ws');
  const client = createClient({ url: `http://127.0.0.1:${server.address().port}`, webSocket: WebSocket });
  t.after(() => client.close());
  client.subscribe(FEED).next().catch(() => {});
  await new Promise((resolve) => {
    client.onConnection(({ error }) => error && resolve());
  });
  assert.match(client.connection.error.message, /^ws:\/\/127\.0\.0\.1:\d+\/graphql\/ws did not open \(1006\)/);
  assert.equal(client.connection.status, 'connecting');
});
