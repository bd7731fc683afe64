// Times that nobody waits for: the clock is the test's, which no other test of the process may share.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FEED, withServer } from './server.mjs';

test('a cut that nobody tells of is noticed, and what was shown is known to be stale', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  let isSilent = false;
  const { client, seen } = await withServer(t, {
    onSubscribe: (id, { variables }, { next }) => next(id, { cursor: `${Number(variables.after ?? 0) + 1}`, n: 1 }),
    onPing: () => isSilent,
  });
  const batches = client.subscribe(FEED);
  await batches.next();
  const told = [];
  client.onConnection((connection) => told.push(connection));
  isSilent = true;
  const second = batches.next();
  t.mock.timers.tick(20_000);
  assert.deepEqual(told, [], 'it asks first');
  t.mock.timers.tick(4_000);
  assert.deepEqual(told.map(({ status, staleSince, error }) => [status, staleSince, error.code]), [['reconnecting', 1_000_000, 'CONNECTION_LOST']]);
  isSilent = false;
  t.mock.timers.tick(1_000);
  await second;
  assert.equal(seen.sockets, 2);
  assert.deepEqual(told.at(-1), { status: 'live', staleSince: null });
  await batches.return();
});
