// What the pages of the console show in its tests, made by the API.

import assert from 'node:assert/strict';
import { until } from '../../lib/wait.mjs';

export function asks(url) {
  async function post(query, variables = {}) {
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  async function session(input) {
    const data = await post('mutation($input: CreateSessionInput!) { createSession(input: $input) { session { id } } }', { input });
    return data.createSession.session.id;
  }

  async function submit(sessionId, intentType, parameters, more = {}) {
    const query = 'mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { execution { id } errors { code message } } }';
    const { submitIntent } = await post(query, { input: { sessionId, intentType, parameters, ...more } });
    assert.deepEqual(submitIntent.errors, []);
    return submitIntent.execution.id;
  }

  const cancel = (executionId) => post('mutation($input: CancelExecutionInput!) { cancelExecution(input: $input) { errors { code } } }', { input: { executionId } });

  async function ended(id) {
    let status;
    await until(`${id} does not end`, async () => {
      ({ execution: { status } } = await post('query($id: ID!) { execution(id: $id) { status } }', { id }));
      return !['CREATED', 'RUNNING'].includes(status);
    });
    return status;
  }

  async function schedule(input) {
    const query = 'mutation($input: CreateScheduleInput!) { createSchedule(input: $input) { schedule { id } errors { code message path } } }';
    const { createSchedule } = await post(query, { input });
    assert.deepEqual(createSchedule.errors, []);
    return createSchedule.schedule.id;
  }

  async function webhook(input) {
    const query = 'mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } secret errors { code message path } } }';
    const { createWebhook } = await post(query, { input });
    assert.deepEqual(createWebhook.errors, []);
    return { id: createWebhook.webhook.id, secret: createWebhook.secret };
  }

  // Cancels all that fit a filter, and waits until that is done.
  async function cancelAll(filter) {
    const query = 'mutation($input: CancelExecutionsInput!) { cancelExecutions(input: $input) { operation { id } errors { code message path } } }';
    const { cancelExecutions } = await post(query, { input: { filter, reason: 'not needed any more' } });
    assert.deepEqual(cancelExecutions.errors, []);
    const { id } = cancelExecutions.operation;
    await operationEnded(id);
    return id;
  }

  async function operationEnded(id) {
    let operation;
    const query = 'query($id: ID!) { operation(id: $id) { kind status reason filter matchedCount doneCount skippedCount refusedCount } }';
    await until(`${id} does not end`, async () => {
      ({ operation } = await post(query, { id }));
      return operation.status !== 'RUNNING';
    });
    return operation;
  }

  return { post, session, submit, cancel, ended, schedule, webhook, cancelAll, operationEnded };
}

// Journeys that are completed and that failed, many echoes, one that waits, what they made, and a schedule with the
// executions of two of its times; a bulk operation that has ended, and a webhook that is paused.
export async function seed(url) {
  const { post, session: begin, submit, ended, schedule, webhook, cancelAll } = asks(url);
  const session = await begin({ userId: 'ann', state: { step: 1, cart: ['a', 'b'] } });
  const content = 'city,founded,area_km2\nŁódź,1423,293.25\nMalmö,1353,\nĐà Nẵng,,1284.9\n';
  const parameters = { journey_id: 'content_pipeline', filename: 'cities.csv', content };
  const journey = await submit(session, 'compose_journey', parameters, { idempotencyKey: 'cities-1' });
  const failed = await submit(session, 'compose_journey', { ...parameters, filename: 'broken.json', content: '{"a": [1, 2' });
  for (let at = 0; at < 30; at += 1) await submit(session, 'echo', { message: `echo ${at}` });
  await submit(session, 'echo', { message: 'later' }, { runAt: '2099-01-01T00:00:00Z' });
  assert.equal(await ended(journey), 'COMPLETED');
  assert.equal(await ended(failed), 'FAILED');
  const nightly = await schedule({
    name: 'nightly', intentType: 'echo', sessionId: session, parameters: { message: 'good night' }, overlap: 'ALLOW',
    cron: '30 2 * * *', timeZone: 'Europe/Berlin',
  });
  const days = (count) => new Date(Date.now() - count * 86_400_000).toISOString();
  const query = 'mutation($input: BackfillScheduleInput!) { backfillSchedule(input: $input) { times errors { code message } } }';
  const { backfillSchedule } = await post(query, { input: { id: nightly, from: days(2), until: days(0) } });
  assert.deepEqual([backfillSchedule.times, backfillSchedule.errors], [2, []]);
  let fired = [];
  await until('the schedule fires nothing', async () => {
    const { schedule: found } = await post('query($id: ID!) { schedule(id: $id) { executions { nodes { id status } } } }', { id: nightly });
    fired = found.executions.nodes;
    return fired.length === 2 && fired.every(({ status }) => status === 'COMPLETED');
  });
  const other = await begin({});
  for (let at = 0; at < 3; at += 1) await submit(other, 'echo', { message: `never ${at}` }, { runAt: '2099-01-01T00:00:00Z' });
  const operation = await cancelAll({ sessionId: other });
  const orders = await webhook({ name: 'orders', url: 'http://127.0.0.1:9/orders', filter: { types: ['execution.failed'], intentType: ['ingest_file'] } });
  await post('mutation($input: PauseWebhookInput!) { pauseWebhook(input: $input) { errors { code } } }', { input: { id: orders.id } });
  const { artifacts } = await post('{ artifacts(first: 1, filter: { artifactType: ["parsed_content"] }) { nodes { id } } }');
  return {
    session, journey, failed, artifact: artifacts.nodes[0].id, schedule: nightly, fired: fired[0].id, operation, webhook: orders.id,
  };
}
