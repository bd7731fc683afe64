// Feeds, which begin now and have no end, and what a page keeps current of a session.

import assert from 'node:assert/strict';
import test from 'node:test';
import { connectionOf, liveExecution, liveSession } from '../dist/live.js';
import { withServer } from './server.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const batch = (id, ...numbers) => ({
  type: 'next', id, payload: { data: { batch: { cursor: `c${numbers.at(-1)}`, events: numbers.map((n) => ({ id: `evt_${n}`, sequence: '1', type: 'execution.created' })) } } },
});
const headOf = (head) => ({ query, variables }) => {
  assert.match(query, /feedHead/);
  return { body: { data: { feedHead: head(variables) } } };
};

async function take(events, count) {
  const seen = [];
  while (seen.length < count) seen.push((await events.next()).value.id);
  return seen;
}

test('a feed begins at its present end, and goes on from its place over a cut and over a server that stops', async (t) => {
  const { client, seen } = await withServer(t, {
    onPost: headOf(({ id }) => (id === 'ses_1' ? 'c7' : assert.fail('of the session'))),
    onSubscribe(id, { query, variables }, { say, complete, socket }, count) {
      assert.match(query, /sessionEvents/);
      assert.equal(variables.id, 'ses_1');
      say(count === 1 ? batch(id, 8, 9) : batch(id, 8 + count));
      if (count === 1) complete(id);
      if (count === 2) setTimeout(() => socket.terminate(), 20);
    },
  });
  const events = client.feed({ sessionId: 'ses_1' });
  assert.deepEqual(await take(events, 4), ['evt_8', 'evt_9', 'evt_10', 'evt_11']);
  assert.deepEqual(seen.subscribes.map(({ after }) => after), ['c7', 'c9', 'c10']);
  assert.equal(seen.posts.length, 1);
  await events.return();
});

test('the feed of the tenant takes a filter, and begins where it is told to', async (t) => {
  const { client, seen } = await withServer(t, {
    onPost: headOf(() => null),
    onSubscribe: (id, { query }, { say }) => {
      assert.match(query, /tenantEvents/);
      say(batch(id, 1));
    },
  });
  const filter = { types: ['execution.failed'], intentType: ['echo'] };
  for (const options of [{ filter }, { after: 'c5' }, { after: null }]) {
    const events = client.feed(options);
    await take(events, 1);
    await events.return();
  }
  assert.equal(seen.posts.length, 1, 'only one of them begins now');
  assert.deepEqual(seen.subscribes, [{ filter }, { after: 'c5' }, {}]);
});

test('a place that is gone is told with the oldest one that is there', async (t) => {
  const { client } = await withServer(t, {
    onSubscribe: (id, _, { say }) => say({
      type: 'error', id, payload: [{ message: 'gone', extensions: { code: 'CURSOR_EXPIRED', retryable: false, oldestCursor: 'c3' } }],
    }),
  });
  await assert.rejects(client.feed({ after: 'c1' }).next(), { code: 'CURSOR_EXPIRED', oldestCursor: 'c3' });
});

test('a feed that is left before its beginning is known asks for nothing more', async (t) => {
  const { client, seen } = await withServer(t, { onPost: () => ({ status: 503, body: 'away' }) });
  const events = client.feed();
  const next = events.next();
  while (seen.posts.length === 0) await pause(10);
  await events.return();
  assert.deepEqual(await next, { value: undefined, done: true });
  const { length } = seen.posts;
  await pause(1_000);
  assert.ok(seen.posts.length <= length + 1);
  assert.equal(seen.sockets, 0);
});

// A server of one session, whose reads give one version after the other.
function sessionServer(versions) {
  const reads = { count: 0, open: 0, most: 0 };
  return {
    reads,
    async onPost({ query }) {
      if (query.includes('feedHead')) return { body: { data: { feedHead: 'c7' } } };
      reads.count++;
      reads.most = Math.max(reads.most, ++reads.open);
      await pause(50);
      reads.open--;
      const stateVersion = versions[Math.min(reads.count, versions.length) - 1];
      return { body: { data: { session: { id: 'ses_1', stateVersion, updatedAt: `2026-01-01T00:00:0${stateVersion}Z`, state: {} } } } };
    },
  };
}

test('a session is followed from now on, and an older state does not replace a newer one', async (t) => {
  const server = sessionServer(['1', '3', '2']);
  let activity;
  const { client, seen } = await withServer(t, {
    ...server,
    onSubscribe(id, _, { say }) {
      activity = () => say({ type: 'next', id, payload: { data: { batch: { cursor: 'c8' } } } });
    },
  });
  const live = liveSession(client, 'ses_1');
  const shown = [];
  const stop = live.listen(() => shown.push(live.value.session.stateVersion));
  while (shown.length < 1) await pause(10);
  for (let n = 0; n < 50; n++) activity();
  while (shown.length < 2) await pause(10);
  activity();
  while (server.reads.count < 3 || server.reads.open > 0) await pause(10);
  await pause(100);
  assert.deepEqual(shown, ['1', '3'], 'what says nothing new is not shown again');
  assert.deepEqual([server.reads.count, server.reads.most], [3, 1], 'a burst is one read');
  assert.deepEqual(seen.subscribes, [{ id: 'ses_1', after: 'c7' }]);
  stop();
  await pause(10);
});

test('a session is read again when the server was away, once', async (t) => {
  const server = sessionServer(['1', '2']);
  const { client, seen } = await withServer(t, {
    ...server,
    onSubscribe: (_, __, { socket }, count) => count === 1 && setTimeout(() => socket.terminate(), 20),
  }, { maxReconnectMs: 20 });
  const live = liveSession(client, 'ses_1');
  const stop = live.listen(() => {});
  while (live.value.session?.stateVersion !== '2') await pause(10);
  assert.equal(seen.subscribes.length, 2);
  assert.equal(server.reads.count, 2);
  stop();
  await pause(10);
});

test('what another page writes, which is no event, is seen within ten seconds, and by a page that is not seen not at all', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const server = sessionServer(['1', '2']);
  globalThis.document = { visibilityState: 'hidden', addEventListener() {}, removeEventListener() {}, baseURI: 'http://page/' };
  t.after(() => delete globalThis.document);
  const { client } = await withServer(t, server);
  const live = liveSession(client, 'ses_1');
  const stop = live.listen(() => {});
  while (!live.value.session) await pause(10);
  t.mock.timers.tick(10_000);
  await pause(500);
  assert.equal(server.reads.count, 1);
  document.visibilityState = 'visible';
  t.mock.timers.tick(10_000);
  while (live.value.session.stateVersion !== '2') await pause(10);
  stop();
  await pause(10);
});

test('a page whose server is away from the first says that it connects, and why not', async (t) => {
  let isAway = true;
  const { client } = await withServer(t, {
    onPost: () => (isAway ? { status: 503, body: 'away' } : { body: { data: { execution: { id: 'exe_1', status: 'COMPLETED', attempt: 1, result: 7 } } } }),
  });
  const live = liveExecution(client, 'exe_1');
  const stop = live.listen(() => {});
  const connection = () => connectionOf(client, live.value, live.value.execution);
  assert.deepEqual(connection(), { status: 'connecting', staleSince: null });
  while (!live.value.pending) await pause(10);
  assert.deepEqual([connection().status, connection().error.code, connection().error.status], ['connecting', 'BAD_ANSWER', 503]);
  assert.equal(live.value.error, undefined, 'it is tried again');
  isAway = false;
  while (!live.value.execution) await pause(10);
  assert.equal(live.value.result, 7);
  assert.equal(connection().status, 'idle');
  stop();
  await pause(10);
});
