// Times that nobody waits for: the clock is the test's, which no other test of the process may share.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FEED, withServer } from './server.mjs';

test('a callback that never answers is given up, and asked again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  let asked = 0;
  const { client } = await withServer(t, { onSubscribe: (id, _, { next }) => next(id, { cursor: '1', n: 1 }) }, {
    token: () => (++asked === 1 ? new Promise(() => {}) : 'good'),
  });
  const batches = client.subscribe(FEED);
  const first = batches.next();
  await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(30_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.match(client.connection.error?.message ?? '', /30 s/);
  t.mock.timers.tick(1_000);
  await first;
  assert.equal(asked, 2);
  await batches.return();
});
