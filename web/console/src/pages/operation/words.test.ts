import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionsOf, counted, inShort, leftOut, progressOf, rerunBy, timeOf } from './words';

const short = (filter: unknown) => inShort(conditionsOf('CANCEL_EXECUTIONS', filter), (time) => time.slice(0, 10));

test('a filter is said in words, in one order', () => {
  const filter = {
    createdAfter: 1_767_225_600_000_001,
    rootsOnly: true,
    sessionId: 'ses_1',
    metadata: [
      { key: 'team', value: 'a' },
      { key: 'n', value: 1 },
    ],
    intentType: ['echo', 'parse'],
    status: ['CREATED', 'RUNNING'],
  };
  assert.equal(
    short(filter),
    'created or running, intent echo or parse, of session ses_1, roots only, metadata team = "a" and n = 1, accepted after 2026-01-01',
  );
  const conditions = conditionsOf('CANCEL_EXECUTIONS', filter);
  assert.equal(conditions.find(({ name }) => name === 'Accepted after')?.at, '2026-01-01T00:00:00.000001Z');
  assert.equal(conditions.find(({ name }) => name === 'Session')?.id, 'ses_1');
  const ofArtifacts = conditionsOf('ARCHIVE_ARTIFACTS', { createdBefore: 0, lifecycleState: ['READY'] });
  assert.deepEqual(
    ofArtifacts.map(({ name }) => name),
    ['State', 'Registered before'],
  );
});

test('what is not known of a filter is said as it is, and long lists are cut', () => {
  assert.equal(short({ status: ['NEW_STATE'], colour: ['blue'] }), 'new_state, colour ["blue"]');
  assert.equal(
    short({ status: ['FAILED'], errorCode: ['A', 'B', 'C', 'D', 'E', 'F', 'G'] }),
    'failed, with A, B, C, D, E and 2 more',
  );
  assert.equal(short({ waitingFor: ['LIMIT', 'RETRY'] }), 'waits for a limit or waits to retry');
  for (const filter of [null, undefined, 'x', {}]) assert.equal(short(filter), '');
});

test('times keep their microseconds', () => {
  assert.equal(timeOf(1_767_225_600_123_456), '2026-01-01T00:00:00.123456Z');
});

const counts = (matched: number, done: number, skipped = 0, refused = 0) => ({
  matchedCount: String(matched),
  doneCount: String(done),
  skippedCount: String(skipped),
  refusedCount: String(refused),
});

test('progress is a share of what was expected, and unknown beyond a count that is not exact', () => {
  const expectedCount = { count: 200, exact: true };
  assert.deepEqual(progressOf({ status: 'RUNNING', expectedCount, ...counts(100, 40, 5, 5) }), {
    handled: 50,
    total: 200,
    isAtLeast: false,
    share: 0.25,
  });
  // More fits than was there, and less than that.
  assert.equal(progressOf({ status: 'RUNNING', expectedCount, ...counts(300, 150) }).share, 0.5);
  assert.deepEqual(progressOf({ status: 'COMPLETED', expectedCount, ...counts(120, 120) }), {
    handled: 120,
    total: 120,
    isAtLeast: false,
    share: 1,
  });
  const inexact = { count: 10_000, exact: false };
  assert.equal(progressOf({ status: 'RUNNING', expectedCount: inexact, ...counts(5_000, 5_000) }).share, 0.5);
  assert.equal(progressOf({ status: 'RUNNING', expectedCount: inexact, ...counts(12_000, 11_900) }).share, undefined);
  const none = { count: 0, exact: true };
  assert.equal(progressOf({ status: 'RUNNING', expectedCount: none, ...counts(0, 0) }).share, 0);
});

test('numbers have their nouns, and what is left out its reason', () => {
  const exact = (count: number) => ({ count, exact: true });
  assert.equal(counted('RERUN_EXECUTIONS', exact(1)), '1 execution');
  assert.equal(counted('ARCHIVE_ARTIFACTS', exact(1_200)), '1,200 artifacts');
  assert.equal(counted('CANCEL_EXECUTIONS', { count: 10_000, exact: false }), 'at least 10,000 executions');
  const found = { kind: 'CANCEL_EXECUTIONS', matched: exact(2), shown: exact(35), hasStates: false } as const;
  assert.equal(leftOut(found), 'The other 33 of the list have ended, or are not yours to change.');
  assert.equal(
    leftOut({ ...found, kind: 'RERUN_EXECUTIONS', matched: exact(0), shown: exact(1) }),
    'The 1 execution of the list has not failed, or is not yours to change.',
  );
  assert.equal(leftOut({ ...found, matched: exact(35) }), undefined);
  assert.equal(leftOut({ ...found, shown: { count: 10_000, exact: false } }), undefined);
});

test('the key of a re-run tells the operation that has made it', () => {
  assert.equal(rerunBy('opr_01m8/exe_01m9'), 'opr_01m8');
  for (const key of [null, '', 'opr_01m8', 'sch_1/2026-01-01T00:00:00Z', 'an opr_01m8/exe_01m9'])
    assert.equal(rerunBy(key), undefined);
});
