import assert from 'node:assert/strict';
import test from 'node:test';
import { FEED, withServer } from './server.mjs';

async function collect(batches) {
  const seen = [];
  for await (const { feed } of batches) seen.push(feed.n);
  return seen;
}

// A feed of `count` numbers from the one behind the cursor.
const feedOf = (count, each) => (id, { variables }, tools) => {
  for (let n = Number(variables.after ?? 0) + 1; n <= count; n++) {
    if (each?.(n, tools) === 'stop') return;
    tools.next(id, { cursor: String(n), n });
  }
  tools.complete(id);
};

test('a subscription that is cut off goes on from its place, without a gap or a repetition', async (t) => {
  let cuts = 0;
  const { client, seen } = await withServer(t, {
    onSubscribe: feedOf(9, (n, { socket }) => {
      if (n % 3 !== 1 || n === 1 || cuts === n) return undefined;
      cuts = n;
      socket.close(1001); // what was sent before arrives first
      return 'stop';
    }),
  });
  assert.deepEqual(await collect(client.subscribe(FEED)), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(seen.subscribes.map(({ after }) => after), [undefined, '3', '6']);
});

test('one that has no place to go on from fails rather than repeat itself', async (t) => {
  const { client } = await withServer(t, {
    onSubscribe(id, _, { next, socket }) {
      next(id, { n: 1 });
      socket.close(1001);
    },
  });
  const seen = [];
  await assert.rejects(async () => {
    for await (const { feed } of client.subscribe('subscription { feed { n } }')) seen.push(feed.n);
  }, { code: 'CONNECTION_LOST' });
  assert.deepEqual(seen, [1]);
});

test('twenty subscriptions use one socket, and it is closed when none is left', async (t) => {
  const { client, seen } = await withServer(t, { onSubscribe: feedOf(3) });
  const all = await Promise.all(Array.from({ length: 20 }, () => collect(client.subscribe(FEED))));
  assert.deepEqual(all, Array(20).fill([1, 2, 3]));
  assert.equal(seen.sockets, 1);
  assert.equal(client.connection.status, 'live');
  await new Promise((resolve) => {
    const stop = client.onConnection(({ status }) => {
      if (status !== 'idle') return;
      stop();
      resolve();
    });
  });
});

test('a reader that is slow makes the feed pause, and misses nothing', async (t) => {
  const { client, seen } = await withServer(t, { onSubscribe: feedOf(200) });
  const batches = client.subscribe(FEED);
  const read = [(await batches.next()).value.feed.n];
  while (seen.completes.length === 0) await new Promise((resolve) => setImmediate(resolve));
  read.push(...await collect(batches));
  assert.deepEqual(read, Array.from({ length: 200 }, (_, at) => at + 1));
  assert.ok(seen.subscribes.length > 1, 'it paused');
});

test('a refusal that passes is tried again, one that does not is told', async (t) => {
  const { client, seen } = await withServer(t, {
    onSubscribe(id, request, tools, count) {
      const extensions = count === 1 ? { code: 'UNAVAILABLE', retryable: true } : { code: 'CURSOR_EXPIRED', retryable: false, lastCursor: '7' };
      tools.say({ type: 'error', id, payload: [{ message: 'no', extensions }] });
    },
  });
  await assert.rejects(collect(client.subscribe(FEED, { after: '9' })), { code: 'CURSOR_EXPIRED', lastCursor: '7' });
  assert.equal(seen.subscribes.length, 2);
});

test('an iterator ends by its signal, and by its return, even while it waits', async (t) => {
  const { client } = await withServer(t);
  const controller = new AbortController();
  const aborted = client.subscribe(FEED, {}, { signal: controller.signal }).next();
  const batches = client.subscribe(FEED);
  const returned = batches.next();
  controller.abort(new Error('enough'));
  await assert.rejects(aborted, /enough/);
  await batches.return();
  assert.deepEqual(await returned, { value: undefined, done: true });
});

test('a token is asked for once, and renewed over the socket before it ends', async (t) => {
  let given = 0;
  const { client, seen } = await withServer(t, { onSubscribe: (id, _, { next }) => next(id, { cursor: '1', n: 1 }) }, {
    token: () => ({ token: `t${++given}`, expiresAt: Date.now() + 1_000 }),
  });
  const [one, two] = [client.subscribe(FEED), client.subscribe(FEED)];
  await Promise.all([one.next(), two.next()]);
  assert.equal(given, 1);
  while (seen.pings.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(seen.pings[0], { authorization: 'Bearer t2' });
  assert.equal(seen.sockets, 1, 'the socket goes on');
  await Promise.all([one.return(), two.return()]);
});

test('a socket whose token has ended comes back with a fresh one', async (t) => {
  let given = 0;
  let isClosed = false;
  const { client, seen } = await withServer(t, {
    onSubscribe: feedOf(4, (n, { socket }) => {
      if (n !== 3 || isClosed) return undefined;
      isClosed = true;
      socket.close(4403, 'Forbidden');
      return 'stop';
    }),
  }, { token: () => `t${++given}` });
  assert.deepEqual(await collect(client.subscribe(FEED)), [1, 2, 3, 4]);
  assert.deepEqual(seen.inits, [{ authorization: 'Bearer t1' }, { authorization: 'Bearer t2' }]);
});

test('a token that is refused again and again ends in an error', async (t) => {
  const { client, seen } = await withServer(t, { onInit: (_, { socket }) => socket.close(4403) || true }, { token: () => 'bad' });
  await assert.rejects(collect(client.subscribe(FEED)), { code: 'UNAUTHENTICATED' });
  assert.equal(seen.inits.length, 3);
});

test('a page that has no token for a while goes on when it has one', async (t) => {
  let asked = 0;
  const { client } = await withServer(t, { onSubscribe: feedOf(2) }, {
    token: async () => {
      if (++asked < 3) throw new Error('its backend is away');
      return 'good';
    },
  });
  assert.deepEqual(await collect(client.subscribe(FEED)), [1, 2]);
  assert.equal(asked, 3);
});

test('the wait before a connection has an end that the page chooses', async (t) => {
  let opened = 0;
  const { client, seen } = await withServer(t, {
    onInit: (_, { cut }) => ++opened < 8 && (cut(), true),
    onSubscribe: feedOf(1),
  }, { maxReconnectMs: 100 });
  const begin = Date.now();
  assert.deepEqual(await collect(client.subscribe(FEED)), [1]);
  assert.equal(seen.sockets, 8);
  assert.ok(Date.now() - begin < 3_000, 'the waits grew beyond it');
});
