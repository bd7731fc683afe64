import assert from 'node:assert/strict';
import test from 'node:test';
import { createClient } from '../dist/index.js';
import { startServer } from './server.mjs';

const accepted = { body: { data: { payload: { execution: { id: 'exe_1' }, replayed: false, errors: [] } } } };
const failure = (status, code, retryable, rest) => ({ status, body: { errors: [{ message: code, extensions: { code, retryable, ...rest } }] } });

async function clientOf(t, onPost, options) {
  const server = await startServer({ onPost });
  t.after(() => server.stop());
  return { client: createClient({ url: server.url, ...options }), posts: server.seen.posts };
}

test('a submit whose answer is lost is sent again with its key', async (t) => {
  const { client, posts } = await clientOf(t, (_, count) => [null, 'cut', failure(503, 'UNAVAILABLE', true), accepted][count]);
  const { id } = await client.submit('echo', {}, { sessionId: 'ses_1' });
  assert.equal(id, 'exe_1');
  const keys = posts.map(({ variables }) => variables.input.idempotencyKey);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
});

test('a mutation that could do something twice is sent once', async (t) => {
  const { client, posts } = await clientOf(t, () => 'cut');
  await assert.rejects(client.query('mutation { deleteEverything }'), { code: 'NETWORK', retryable: true });
  await assert.rejects(client.execution('exe_1').cancel(), { code: 'NETWORK' });
  await assert.rejects(client.session('ses_1').set({}), { code: 'NETWORK' });
  assert.equal(posts.length, 3);
});

test('a full runtime is asked again when it says', async (t) => {
  const full = { body: { data: { payload: { execution: null, replayed: false, errors: [{ code: 'QUOTA_EXCEEDED', message: 'full', retryAfterMs: 300 }] } } } };
  const { client, posts } = await clientOf(t, (_, count) => (count === 1 ? full : accepted));
  const begin = Date.now();
  await client.submit('echo', {}, { sessionId: 'ses_1' });
  assert.ok(Date.now() - begin >= 300);
  assert.equal(posts.length, 2);
});

test('what lasts is told at once, with its code, path and data', async (t) => {
  const errors = [{ code: 'STALE_VERSION', message: 'moved on', path: ['input', 'ifVersion'], currentVersion: '7' }];
  const { client } = await clientOf(t, ({ query }) => (query.includes('setSessionState')
    ? { body: { data: { payload: { session: null, errors } } } }
    : { body: { data: { a: 1, b: null }, errors: [{ message: 'b is away', path: ['b'], extensions: { code: 'UNAVAILABLE', retryable: true, requestId: 'r1' } }] } }));
  await assert.rejects(client.session('s').set({}, { ifVersion: '6' }), (error) => {
    assert.deepEqual([error.code, error.path, error.errors], ['STALE_VERSION', ['input', 'ifVersion'], errors]);
    return true;
  });
  await assert.rejects(client.query('{ a b }'), (error) => {
    assert.deepEqual([error.code, error.data, error.requestId], ['UNAVAILABLE', { a: 1, b: null }, 'r1']);
    return true;
  });
});

test('an answer that is none of the API is an error with its status', async (t) => {
  const { client } = await clientOf(t, () => ({ status: 502, body: 'bad gateway' }));
  await assert.rejects(client.query('{ a }'), { code: 'BAD_ANSWER', status: 502, retryable: true });
});

test('a request that is refused for its token is sent once more with a fresh one', async (t) => {
  let given = 0;
  const { client, posts } = await clientOf(t, ({ headers }) => (headers.authorization === 'Bearer t2'
    ? { body: { data: { a: 1 } } }
    : failure(401, 'UNAUTHENTICATED', false)), { token: () => `t${++given}` });
  assert.deepEqual(await Promise.all([client.query('{ a }'), client.query('{ a }')]), [{ a: 1 }, { a: 1 }]);
  assert.equal(given, 2, 'both use the fresh one');
  assert.equal(posts.length, 4);
});

test('a token that stays bad is told of', async (t) => {
  const { client, posts } = await clientOf(t, () => failure(401, 'UNAUTHENTICATED', false), { token: () => 'bad' });
  await assert.rejects(client.query('{ a }'), { code: 'UNAUTHENTICATED', status: 401 });
  assert.equal(posts.length, 2);
});

test('tokens are asked for again when three quarters of their life are over, by `expiresAt` or by the JWT', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
  for (const form of ['expiresAt', 'jwt']) {
    let given = 0;
    const token = () => {
      const end = Date.now() + 100_000;
      given++;
      if (form === 'expiresAt') return { token: 'any', expiresAt: new Date(end).toISOString() };
      return `e30.${Buffer.from(JSON.stringify({ exp: end / 1_000 })).toString('base64url')}.x`;
    };
    const { client } = await clientOf(t, () => ({ body: { data: { a: 1 } } }), { token });
    await client.query('{ a }');
    t.mock.timers.tick(74_000);
    await client.query('{ a }');
    assert.equal(given, 1, form);
    t.mock.timers.tick(2_000);
    await client.query('{ a }');
    assert.equal(given, 2, form);
  }
});

test('a request ends by its signal, also while it waits to be sent again', async (t) => {
  const { client } = await clientOf(t, () => failure(429, 'RATE_LIMITED', true, { retryAfterMs: 10_000 }));
  const controller = new AbortController();
  const submit = client.submit('echo', {}, { sessionId: 's', signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 100);
  await assert.rejects(submit, /enough/);
});

test('an update is made anew when another writer was first', async (t) => {
  let version = 1;
  const { client, posts } = await clientOf(t, ({ query, variables }) => {
    const session = { state: { n: version }, stateVersion: String(version) };
    if (query.includes('query Session')) return { body: { data: { session } } };
    if (version === 1) version++;
    const isStale = variables.input.ifVersion !== String(version);
    const errors = isStale ? [{ code: 'STALE_VERSION', message: 'moved on', currentVersion: String(version) }] : [];
    return { body: { data: { payload: { session, errors } } } };
  });
  await client.session('s').update(({ n }) => ({ n: n + 10 }));
  assert.deepEqual(posts.at(-1).variables.input, { sessionId: 's', mode: 'REPLACE', state: { n: 12 }, ifVersion: '2' });
});
