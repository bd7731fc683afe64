// A clock that is set back: the clock is the test's, which no other test of the process may share.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FEED, withServer } from './server.mjs';

test('a cut is noticed though the clock was set back meanwhile, and a clock alone cuts nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  // What time it is does not follow from what has passed.
  let now = 10_000_000;
  t.mock.method(Date, 'now', () => now);
  const pass = (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  let isSilent = false;
  const { client, seen } = await withServer(t, {
    onSubscribe: (id, _, { next }) => next(id, { cursor: '1', n: 1 }),
    onPing: () => isSilent,
  });
  const batches = client.subscribe(FEED);
  await batches.next();
  const told = [];
  client.onConnection(({ status }) => told.push(status));
  const settle = async () => {
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  };
  // An hour back, and an hour forward: the server is asked, and answers.
  for (const set of [6_400_000, 10_000_000]) {
    now = set;
    pass(5_000);
    await settle();
    pass(4_000);
    await settle();
  }
  assert.deepEqual(told, [], 'it was only the clock');
  assert.ok(seen.pings.length > 0, 'it asked');
  // Back again, and nobody answers any more.
  isSilent = true;
  now = 6_400_000;
  pass(5_000);
  now = 5_000_000;
  pass(4_000);
  assert.deepEqual(told, ['reconnecting']);
  await batches.return();
});
