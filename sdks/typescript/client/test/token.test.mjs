// What a page's token callback may do wrong, and what the page is told of it.

import assert from 'node:assert/strict';
import test from 'node:test';
import { TakeoffError, createClient } from '../dist/index.js';
import { FEED, startServer, untilTold, withServer } from './server.mjs';

const answer = () => ({ body: { data: { a: 1 } } });

test('a callback that throws is asked again, and the connection says why it is not live', async (t) => {
  let asked = 0;
  const { client } = await withServer(t, { onSubscribe: (id, _, { next }) => next(id, { cursor: '1', n: 1 }) }, {
    maxReconnectMs: 50,
    token: () => {
      if (++asked < 4) throw new Error(`no login (${asked})`);
      return 'good';
    },
  });
  const batches = client.subscribe(FEED);
  const first = batches.next();
  await untilTold(client, ({ error }) => error?.message.includes('no login (2)'));
  assert.deepEqual([client.connection.status, client.connection.error.code], ['connecting', 'TOKEN_UNAVAILABLE']);
  assert.equal(client.connection.error.cause.message, 'no login (2)');
  await first;
  assert.deepEqual(client.connection, { status: 'live', staleSince: null });
  await batches.return();
});

test('a callback that throws a TakeoffError which is not retryable ends what is asked and followed with it', async (t) => {
  const { client } = await withServer(t, { onPost: answer }, {
    token: async () => { throw new TakeoffError('LOGGED_OUT', 'the visitor has logged out'); },
  });
  await assert.rejects(client.query('{ a }', {}, { retryMs: 30_000 }), { code: 'LOGGED_OUT' });
  await assert.rejects(client.subscribe(FEED).next(), { code: 'LOGGED_OUT' });
  assert.equal(client.connection.status, 'idle');
});

for (const [what, given] of [['nothing', undefined], ['a record without a token', { accessToken: 't' }], ['an empty text', ''], ['null', null]]) {
  test(`a callback that gives ${what} is named`, async (t) => {
    const { client, seen } = await withServer(t, { onPost: answer }, { token: () => given });
    await assert.rejects(client.query('{ a }'), { code: 'TOKEN_UNAVAILABLE', message: /`token` gave .+, not a text or \{ token, expiresAt \}/ });
    assert.equal(seen.posts.length, 0);
  });
}

test('a request that waits for a token ends by its signal', async (t) => {
  let give;
  const { client } = await withServer(t, { onPost: answer }, { token: () => new Promise((resolve) => { give = resolve; }) });
  const controller = new AbortController();
  const asked = client.query('{ a }', {}, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
  give('late');
});

test('a server that wants a proof is named to a page that has no token', async (t) => {
  const { client } = await withServer(t, { onInit: (_, { socket }) => socket.close(4401) || true }, { maxReconnectMs: 20 });
  await assert.rejects(client.subscribe(FEED).next(), { code: 'UNAUTHENTICATED', message: /createClient\(\{ token \}\)/ });
});

test('a page that was closed does not wait for its token', async (t) => {
  const server = await startServer({});
  t.after(() => server.stop());
  let give;
  const client = createClient({ url: server.url, token: () => new Promise((resolve) => { give = resolve; }) });
  const next = client.subscribe(FEED).next();
  await new Promise((resolve) => setImmediate(resolve));
  client.close();
  await assert.rejects(next, { code: 'CLOSED' });
  give('late');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.seen.sockets, 0);
});
