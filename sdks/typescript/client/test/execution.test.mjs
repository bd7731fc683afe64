import assert from 'node:assert/strict';
import test from 'node:test';
import { liveEvents, liveExecution } from '../dist/live.js';
import { withServer } from './server.mjs';

const TYPES = ['execution.created', 'execution.started', 'progress.reported', 'execution.completed'];
const event = (sequence, more) => ({
  id: `evt_${sequence}`, sequence: String(sequence), cursor: `c${sequence}`, type: TYPES[sequence - 1], occurredAt: `2026-01-01T00:00:0${sequence}.000000Z`,
  ...(sequence === 2 && { attempt: 1 }), ...(sequence === 3 && { fraction: 0.5, message: 'half' }), ...more,
});
const batch = (id, ...sequences) => ({
  type: 'next', id, payload: { data: { batch: { cursor: `c${sequences.at(-1)}`, events: sequences.map((one) => event(one)) } } },
});
const found = (status, more) => ({ body: { data: { execution: { id: 'exe_1', status, attempt: Number(status !== 'CREATED'), error: null, result: null, startedAt: null, ...more } } } });
const expired = (id) => ({ type: 'error', id, payload: [{ message: 'gone', extensions: { code: 'CURSOR_EXPIRED', retryable: false, lastCursor: null } }] });

async function sequences(events) {
  const seen = [];
  for await (const { sequence } of events) seen.push(Number(sequence));
  return seen;
}

test('events end with the terminal one and with nothing else, and none comes twice', async (t) => {
  const { client, seen } = await withServer(t, {
    onSubscribe(id, _, { say, complete }, count) {
      if (count === 1) {
        say(batch(id, 1, 2));
        complete(id); // nothing has ended
      } else {
        say(batch(id, 2, 3)); // one of them again
        say(batch(id, 4));
      }
    },
  });
  assert.deepEqual(await sequences(client.execution('exe_1').events()), [1, 2, 3, 4]);
  assert.deepEqual(seen.subscribes.map(({ after }) => after), [undefined, 'c2']);
});

test('behind the terminal event there is nothing, and the iterator ends', async (t) => {
  const { client, seen } = await withServer(t, { onSubscribe: (id, _, { complete }) => complete(id), onPost: () => found('COMPLETED') });
  assert.deepEqual(await sequences(client.execution('exe_1').events({ after: 'c4' })), []);
  assert.equal(seen.subscribes.length, 1);
});

test('a subscription that says nothing and completes is begun again while the execution runs', async (t) => {
  const { client, seen } = await withServer(t, {
    onSubscribe: (id, _, { say, complete }, count) => (count < 3 ? complete(id) : say(batch(id, 1, 2, 3, 4))),
    onPost: () => found('RUNNING'),
  });
  assert.deepEqual(await sequences(client.execution('exe_1').events()), [1, 2, 3, 4]);
  assert.equal(seen.subscribes.length, 3);
});

test('a result is waited for over the events, and a failure is thrown with its code', async (t) => {
  const answers = [found('RUNNING'), found('FAILED', { error: { code: 'BAD_ROW', message: 'row 7', attempt: 1, retryable: false } })];
  const { client } = await withServer(t, { onSubscribe: (id, _, { say }) => say(batch(id, 1, 2, 3, 4)), onPost: () => answers.shift() });
  await assert.rejects(client.execution('exe_1').result(), { code: 'BAD_ROW', message: 'row 7' });
});

test('an execution that is not there is an error', async (t) => {
  const { client } = await withServer(t, { onPost: () => ({ body: { data: { execution: null } } }) });
  await assert.rejects(client.execution('exe_9').status(), { code: 'NOT_FOUND' });
});

// What a live value shows, until it is as it must be.
function shows(live, isEnough) {
  const values = [];
  return new Promise((resolve) => {
    const look = () => {
      values.push(live.value);
      if (!isEnough(live.value)) return;
      stop();
      resolve(values);
    };
    const stop = live.listen(look);
  });
}

test('what is shown of an execution never goes back, whatever comes late', async (t) => {
  const { client } = await withServer(t, {
    onSubscribe(id, _, { say }) {
      say(batch(id, 1, 2, 3));
      setTimeout(() => say(batch(id, 4)), 50);
    },
    // The first answer says more than the first events; the last one lags behind them.
    onPost: (_, count) => (count === 1 ? found('RUNNING', { attempt: 2 }) : found('RUNNING', { attempt: 2, result: { rows: 1 } })),
  });
  const values = await shows(liveExecution(client, 'exe_1'), ({ result }) => result);
  const attempts = values.flatMap(({ execution }) => execution?.attempt ?? []);
  assert.ok(attempts.every((attempt) => attempt === 2), `${attempts}`);
  assert.equal(values.at(-1).execution.status, 'COMPLETED');
  assert.deepEqual(values.find(({ progress }) => progress).progress, { fraction: 0.5, message: 'half' });
});

test('all that show one execution follow it once, and stop when nobody looks', async (t) => {
  const { client, seen } = await withServer(t, { onSubscribe: (id, _, { say }) => say(batch(id, 1, 2)), onPost: () => found('RUNNING') });
  const stops = [];
  for (let at = 0; at < 5; at++) stops.push(liveExecution(client, 'exe_1').listen(() => {}));
  await shows(liveExecution(client, 'exe_1'), ({ execution }) => execution);
  // As StrictMode does: it goes and comes back at once.
  stops.pop()();
  stops.push(liveExecution(client, 'exe_1').listen(() => {}));
  while (seen.subscribes.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([seen.subscribes.length, seen.posts.length], [1, 1]);
  for (const stop of stops) stop();
  while (seen.completes.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(liveExecution(client, 'exe_1').value.execution, undefined);
});

test('after a restored backup what did not happen is gone', async (t) => {
  const { client } = await withServer(t, {
    onSubscribe(id, { variables }, { say, socket }, count) {
      if (count === 1) {
        say(batch(id, 1, 2, 3));
        setTimeout(() => socket.close(1001), 20);
      } else if (variables.after) say(expired(id));
      else say(batch(id, 1));
    },
  });
  const values = await shows(liveEvents(client, 'exe_1'), ({ events }) => events.length === 1);
  assert.deepEqual(values.map(({ events }) => events.length), [3, 0, 1]);
});

test('a page keeps the newest thousand events and says so', async (t) => {
  const { client } = await withServer(t, {
    onSubscribe(id, _, { say }) {
      for (let from = 1; from < 1_500; from += 100) {
        const events = Array.from({ length: 100 }, (_, at) => event(from + at, { type: 'domain.tick' }));
        say({ type: 'next', id, payload: { data: { batch: { cursor: `c${from + 99}`, events } } } });
      }
    },
  });
  const values = await shows(liveEvents(client, 'exe_1'), ({ events }) => events.at(-1)?.sequence === '1500');
  const { events, isTruncated } = values.at(-1);
  assert.deepEqual([events.length, events[0].sequence, isTruncated], [1_000, '501', true]);
});
