// What every client is taken through: submit a journey, watch it, lose the connection in the middle, miss some
// events, come back with the last cursor, and have seen each event once and in order.
//
// `connect()` gives a fresh client of the library under test:
//   request(query, variables)   the data of a query or mutation; throws what the server refuses
//   watch(query, variables)     an async iterable of a subscription's data; throws errors, and when it is cut off
//   drop()                      ends the connection as a failing network would
//   close()                     lets go of everything

import assert from 'node:assert/strict';

const createSession = `mutation CreateSession { createSession(input: {userId: "ann"}) { session { id } errors { code message } } }`;

const submit = `mutation Submit($input: SubmitIntentInput!) {
  submitIntent(input: $input) { execution { id } errors { code message path } }
}`;

const watch = `subscription Watch($id: ID!, $after: String) {
  executionEvents(executionId: $id, after: $after) { cursor hasMorePastEvents events { id sequence type } }
}`;

const past = `query Past($id: ID!) {
  execution(id: $id) { status events(first: 200) { nodes { id sequence type } } }
}`;

const steps = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const stepMs = 150;
const patienceMs = 20_000;

export async function runStory(connect) {
  const client = await connect();
  const id = await submitJourney(client);
  const seen = [];
  let cursor = await watchUntilDropped(client, id, seen);
  const other = await connect();
  await untilFurther(other, id, seen.length);
  cursor = await watchToTheEnd(other, id, cursor, seen);
  await assertWhole(other, id, cursor, seen);
  await errorsArrive(other);
  await Promise.all([client.close(), other.close()]);
  console.log(`${seen.length} events, each once and in order, over two connections; errors arrive as errors`);
}

async function submitJourney(client) {
  const { createSession: created } = await client.request(createSession, {});
  assert.deepEqual(created.errors, []);
  const journey = steps.map((name, at) => ({
    name,
    intent_type: 'echo',
    parameters: { message: name, delay_ms: stepMs },
    depends_on: steps.slice(0, at).slice(-1),
  }));
  const input = { intentType: 'compose_journey', sessionId: created.session.id, parameters: { steps: journey } };
  const { submitIntent: submitted } = await client.request(submit, { input });
  assert.deepEqual(submitted.errors, []);
  return submitted.execution.id;
}

// Watches the beginning and loses the connection; the cursor of the last batch.
async function watchUntilDropped(client, id, seen) {
  let cursor = null;
  let isDropped = false;
  await assert.rejects(
    inTime(async () => {
      for await (const { executionEvents: batch } of client.watch(watch, { id })) {
        if (isDropped) continue; // came before the drop, and is not taken: it must come again
        seen.push(...batch.events);
        cursor = batch.cursor;
        if (seen.length >= 5) {
          isDropped = true;
          await client.drop();
        }
      }
      assert.ok(!isDropped, 'the stream ended as if it were complete');
    }),
    (error) => isDropped && !(error instanceof assert.AssertionError),
  );
  assert.ok(seen.every((event) => event.type !== 'execution.completed'), 'dropped too late');
  return cursor;
}

// Waits until there is something that was missed.
async function untilFurther(client, id, count) {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const { execution } = await client.request(past, { id });
    if (execution.events.nodes.length > count) return;
    assert.ok(Date.now() < deadline, 'the execution stands still');
  }
}

async function watchToTheEnd(client, id, after, seen) {
  let cursor = after;
  await inTime(async () => {
    for await (const { executionEvents: batch } of client.watch(watch, { id, after })) {
      assert.ok(batch.events.length >= 1 && batch.events.length <= 100);
      seen.push(...batch.events);
      cursor = batch.cursor;
    }
  });
  return cursor;
}

async function assertWhole(client, id, cursor, seen) {
  const sequences = seen.map((event) => event.sequence);
  assert.deepEqual(sequences, seen.map((_, at) => String(at + 1)));
  assert.equal(seen.at(-1).type, 'execution.completed');
  assert.equal(seen.filter((event) => event.type === 'child.submitted').length, steps.length);
  const { execution } = await client.request(past, { id });
  const plain = ({ id: event, sequence, type }) => ({ id: event, sequence, type });
  assert.deepEqual(execution.events.nodes.map(plain), seen.map(plain));
  assert.equal(execution.status, 'COMPLETED');
  // After the end there is nothing more, and the stream says so.
  assert.equal(await watchToTheEnd(client, id, cursor, []), cursor);
}

async function errorsArrive(client) {
  const absent = 'exe_01kaa000000000000000000000';
  await assertRefused(client, watch, { id: absent });
  await assertRefused(client, watch, { id: 'not an id' });
  await assertRefused(client, watch, { id: absent, after: 'not a cursor' });
  await assertRefused(client, watch, {});
  await assert.rejects(inTime(() => client.request('query Broken { nothing }', {})));
}

async function assertRefused(client, query, variables) {
  const refused = inTime(async () => {
    for await (const data of client.watch(query, variables)) assert.fail(`got ${JSON.stringify(data)}`);
  });
  await assert.rejects(refused, (error) => !(error instanceof assert.AssertionError));
}

// An outcome within `patienceMs`; a hang is a failed assertion.
async function inTime(run) {
  let timer;
  const late = new Promise((_, reject) => {
    const hang = () => reject(new assert.AssertionError({ message: `nothing within ${patienceMs} ms` }));
    timer = setTimeout(hang, patienceMs);
  });
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

// An async iterable that is fed by callbacks.
export function channel(start) {
  const waiting = [];
  let wake = () => {};
  const put = (item) => {
    waiting.push(item);
    wake();
  };
  const stop = start({
    next: (value) => put({ value }),
    error: (error) => put({ error: error instanceof Error ? error : new Error(JSON.stringify(error)) }),
    complete: () => put({ done: true }),
  });
  return (async function* items() {
    try {
      for (;;) {
        while (waiting.length === 0) await new Promise((resolve) => { wake = resolve; });
        const { value, error, done } = waiting.shift();
        if (done) return;
        if (error) throw error;
        yield value;
      }
    } finally {
      stop();
    }
  })();
}

// The data of a GraphQL result; throws its errors.
export function dataOf({ data, errors, error }) {
  if (error) throw error;
  if (errors?.length) throw new Error(errors.map((found) => found.message).join('; '));
  return data;
}
