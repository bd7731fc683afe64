// Times that nobody waits for: the clock is the test's, which no other test of the process may share.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FEED, withServer } from './server.mjs';

test('what was under way before the cut is no answer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  let say;
  let isSilent = true;
  const { client, seen } = await withServer(t, {
    onSubscribe: (id, { variables }, { next }) => {
      say = () => next(id, { cursor: `${Number(variables.after ?? 0) + 1}`, n: 1 });
      say();
    },
    onPing: () => isSilent,
  });
  const batches = client.subscribe(FEED);
  await batches.next();
  const told = [];
  client.onConnection(({ status }) => told.push(status));
  t.mock.timers.tick(20_000);
  t.mock.timers.tick(3_000);
  say();
  await batches.next();
  t.mock.timers.tick(3_999);
  assert.deepEqual(told, [], 'the answer may be behind what came');
  t.mock.timers.tick(1);
  assert.deepEqual(told, ['reconnecting']);
  isSilent = false;
  t.mock.timers.tick(1_000);
  await batches.next();
  assert.equal(seen.sockets, 2);
  await batches.return();
});
