import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Filter, fits, inOrder, later, type Row } from './rows';

const at = (second: number) => `2026-01-01T00:00:0${second}.000000Z`;

const row = (id: string, more: Partial<Row> = {}): Row => ({
  __typename: 'Execution',
  id,
  status: 'COMPLETED',
  waitingFor: null,
  attempt: 1,
  createdAt: at(1),
  startedAt: at(1),
  finishedAt: at(2),
  priority: 0,
  submittedBy: null,
  handlerName: 'h',
  parent: null,
  rerunOf: null,
  error: null,
  intent: { id: 'int_1', intentType: 'work', idempotencyKey: null, session: { id: 'ses_1' } },
  ...more,
});

test('a row never goes back to an earlier state', () => {
  const running = row('exe_1', { status: 'RUNNING', finishedAt: null });
  assert.equal(later(row('exe_1'), running).status, 'COMPLETED');
  assert.equal(later(running, row('exe_1')).status, 'COMPLETED');
});

test('each filter finds what it names, and nothing else', () => {
  const error = { code: 'BROKEN', message: '' };
  const failed = row('exe_1', { status: 'FAILED', error, rerunOf: { id: 'exe_0' }, handlerName: 'g' });
  const waiting = row('exe_2', { status: 'CREATED', finishedAt: null, waitingFor: 'NODE' });
  const cases: [Filter, Row, Row][] = [
    [{ errorCode: ['BROKEN'] }, failed, row('exe_3')],
    // A row that will be tried again has an error, and has not failed.
    [{ errorCode: ['BROKEN'] }, failed, row('exe_3', { status: 'RUNNING', error })],
    [{ handlerName: ['g'] }, failed, waiting],
    [{ rerunOf: 'exe_0' }, failed, waiting],
    [{ finishedAfter: at(1) }, failed, waiting],
    [{ finishedAfter: at(1) }, failed, row('exe_3', { finishedAt: at(0) })],
    [{ waitingFor: ['QUEUE'] }, waiting, failed],
  ];
  for (const [filter, found, other] of cases) {
    assert.ok(fits(found, filter), JSON.stringify(filter));
    assert.ok(!fits(other, filter), JSON.stringify(filter));
  }
});

test('a list by the end has what has ended, the last or the first before the others', () => {
  const rows = [row('exe_1', { finishedAt: at(3) }), row('exe_2', { finishedAt: null }), row('exe_3')];
  const ids = (order: Parameters<typeof inOrder>[2]) => inOrder(rows, {}, order).map(({ id }) => id);
  assert.deepEqual(ids('LAST_FINISHED_FIRST'), ['exe_1', 'exe_3']);
  assert.deepEqual(ids('FIRST_FINISHED_FIRST'), ['exe_3', 'exe_1']);
  assert.deepEqual(ids('NEWEST_FIRST'), ['exe_3', 'exe_2', 'exe_1']);
});
