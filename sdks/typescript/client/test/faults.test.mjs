// What an adversary does to a connection: answers that break off, servers that are away, listeners that throw, clocks that
// jump, subscriptions by the thousand.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import WebSocket from 'ws';
import { createClient } from '../dist/index.js';
import { FEED, startServer, untilTold, withServer } from './server.mjs';

const accepted = { body: { data: { payload: { execution: { id: 'exe_1' }, replayed: false, errors: [] } } } };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test('an answer that breaks off in its middle is none, and a submit is sent again', async (t) => {
  const keys = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    keys.push(JSON.parse(text).variables.input.idempotencyKey);
    const body = JSON.stringify(accepted.body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    if (keys.length > 1) return response.end(body);
    response.write(body.slice(0, 20));
    return setTimeout(() => request.socket.destroy(), 20);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const client = createClient({ url: `http://127.0.0.1:${server.address().port}` });
  assert.equal((await client.submit('echo', {}, { sessionId: 's' })).id, 'exe_1');
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
});

test('a server that answers 503 for a while is waited for, over HTTP and by the socket', async (t) => {
  let isAway = true;
  const server = await startServer({
    onPost: () => (isAway ? { status: 503, body: 'a proxy' } : { body: { data: { a: 1 } } }),
    onSubscribe: (id, _, { next }) => next(id, { cursor: '1', n: 1 }),
    onUpgrade: () => isAway,
  });
  t.after(() => server.stop());
  const client = createClient({ url: server.url, webSocket: WebSocket, maxReconnectMs: 50 });
  t.after(() => client.close());
  const batches = client.subscribe(FEED);
  const first = batches.next();
  const told = [];
  const asked = client.query('{ a }', {}, { retryMs: 30_000, onRetry: ({ code, status }) => told.push([code, status]) });
  await untilTold(client, ({ error }) => error);
  await pause(300);
  isAway = false;
  assert.deepEqual(await asked, { a: 1 });
  assert.deepEqual((await first).value, { feed: { cursor: '1', n: 1 } });
  assert.deepEqual(told[0], ['BAD_ANSWER', 503]);
  await batches.return();
});

test('a listener that throws stops nobody else, and not the connection', async (t) => {
  const thrown = [];
  const keep = (error) => thrown.push(error.message);
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', keep);
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const one of before) process.on('uncaughtException', one);
  });
  let cuts = 0;
  const { client, seen } = await withServer(t, {
    onSubscribe(id, { query }, { next, socket }) {
      next(id, { cursor: '1', n: 1 });
      if (query !== FEED && cuts++ === 0) setTimeout(() => socket.terminate(), 20);
    },
  }, { maxReconnectMs: 20 });
  const stop = client.onConnection(() => { throw new Error('a listener'); });
  const told = [];
  client.onConnection(({ status }) => told.push(status));
  client.follow(FEED, {}, { next() {}, error() {}, complete() {} });
  // It has no place to go on from, so it fails with the cut, and its sink is faulty.
  client.follow('subscription { feed { n } }', {}, { next() {}, error() { throw new Error('a sink'); }, complete() {} });
  while (seen.sockets < 2 || told.at(-1) !== 'live') await pause(10);
  stop();
  assert.deepEqual(told, ['connecting', 'live', 'reconnecting', 'live']);
  assert.ok(thrown.includes('a listener') && thrown.includes('a sink'), `${thrown}`);
});

test('a check of what has ended stops with what asked for it', async (t) => {
  const { client, seen } = await withServer(t, { onSubscribe: (id, _, { complete }) => complete(id), onPost: () => ({ status: 503, body: 'away' }) });
  const events = client.execution('exe_1').events();
  const next = events.next();
  while (seen.posts.length === 0) await pause(10);
  await events.return();
  assert.deepEqual(await next, { value: undefined, done: true });
  const posts = seen.posts.length;
  await pause(1_500);
  assert.ok(seen.posts.length <= posts + 1, `${seen.posts.length - posts} requests for nobody`);
});

test('events end at once by their signal, whatever has come already', async (t) => {
  const events = Array.from({ length: 50 }, (_, at) => ({ sequence: String(at + 1), type: 'domain.tick' }));
  const { client } = await withServer(t, {
    onSubscribe: (id, _, { say }) => say({ type: 'next', id, payload: { data: { batch: { cursor: 'c', events } } } }),
  });
  const controller = new AbortController();
  const seen = [];
  await assert.rejects(async () => {
    for await (const { sequence } of client.execution('exe_1').events({ signal: controller.signal })) {
      seen.push(sequence);
      controller.abort(new Error('enough'));
    }
  }, /enough/);
  assert.deepEqual(seen, ['1']);
});

test('events end by their signal also when the terminal one has come already', async (t) => {
  const types = ['execution.created', 'execution.started', 'execution.completed'];
  const events = types.map((type, at) => ({ sequence: String(at + 1), type }));
  const { client } = await withServer(t, {
    onSubscribe: (id, _, { say }) => say({ type: 'next', id, payload: { data: { batch: { cursor: 'c', events } } } }),
  });
  const controller = new AbortController();
  const read = client.execution('exe_1').events({ signal: controller.signal });
  assert.equal((await read.next()).value.sequence, '1');
  controller.abort(new Error('enough'));
  await assert.rejects(read.next(), /enough/);
  assert.deepEqual(await read.next(), { value: undefined, done: true });
});

test('a result that is read before it is there is waited for', async (t) => {
  const found = (status, result) => ({ body: { data: { execution: { id: 'exe_1', status, error: null, result } } } });
  const answers = [found('RUNNING'), found('RUNNING'), found('COMPLETED', 7)];
  const { client } = await withServer(t, {
    onPost: () => answers.shift(),
    onSubscribe: (id, _, { say }) => say({
      type: 'next', id, payload: { data: { batch: { cursor: 'c', events: [{ sequence: '1', type: 'execution.completed' }] } } },
    }),
  });
  assert.equal(await client.execution('exe_1').result(), 7);
});

test('a thousand subscriptions leave nothing behind', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const { client, seen } = await withServer(t, { onSubscribe: (id, _, { next }) => next(id, { cursor: '1', n: 'x'.repeat(10_000) }) });
  const { signal } = new AbortController();
  const keep = client.subscribe(FEED);
  await keep.next();
  const gone = [];
  async function one() {
    const batches = client.subscribe(FEED, {}, { signal });
    gone.push(new WeakRef(batches));
    await batches.next();
    await batches.return();
  }
  for (let n = 0; n < 1_000; n++) await one();
  while (seen.completes.length < 1_000) await pause(10);
  for (let n = 0; n < 5; n++) {
    gc();
    await pause(20);
  }
  const left = gone.filter((batches) => batches.deref()).length;
  assert.ok(left < 10, `${left} are still there`);
  assert.equal(seen.sockets, 1);
  await keep.return();
});
