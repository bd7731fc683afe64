import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causeOf, type Failed, groupsOf } from './groups';

test('what is different in each failure is no part of its cause', () => {
  const alike: [string, string][] = [
    ['artifact art_01m8n6jc16ehh8g4sbr0kdbqt9 is archived', 'artifact art_01m8n6jc16ehh8g4sbr0kdbqtz is archived'],
    ['line 3 column 12: expected "," but found "x"', 'line 41 column 1: expected ":" but found "]"'],
    ['10.0.0.1:5432 refused after 2.5 s', '10.0.0.29:5432 refused after 11 s'],
    [
      'request 3f2504e0-4f89-11d3-9a0c-0305e82c3301 timed out',
      'request 3F2504E0-4f89-11d3-9a0c-0305e82c3302 timed out',
    ],
  ];
  for (const [one, other] of alike) assert.equal(causeOf(one), causeOf(other));
  assert.notEqual(causeOf('it broke'), causeOf('it is broken'));
  assert.ok(causeOf('a'.repeat(1_000_000)).length <= 500);
});

const failed = (id: string, code: string, message: string, second: number, intentType = 'work'): Failed => ({
  id,
  createdAt: `2026-01-01T00:00:0${second}Z`,
  finishedAt: `2026-01-01T00:00:0${second}.500000Z`,
  intent: { intentType },
  error: { code, message },
});

test('failures of one cause are one group, the largest first, each newest first', () => {
  const rows = [
    failed('exe_1', 'A', 'row 1', 1),
    failed('exe_2', 'B', 'row 1', 2),
    failed('exe_3', 'B', 'row 27', 5),
    failed('exe_4', 'B', 'row 3', 3),
    failed('exe_5', 'B', 'row 3', 4, 'other'),
    { ...failed('exe_6', 'B', '', 6), error: null },
  ];
  const groups = groupsOf(rows);
  assert.deepEqual(
    groups.map(({ type, code, rows: found }) => [type, code, found.map(({ id }) => id).join()]),
    [
      ['work', 'B', 'exe_3,exe_4,exe_2'],
      ['work', 'UNKNOWN', 'exe_6'],
      ['other', 'B', 'exe_5'],
      ['work', 'A', 'exe_1'],
    ],
  );
  assert.deepEqual([groups[0]?.first, groups[0]?.last], [rows[1]?.finishedAt, rows[2]?.finishedAt]);
  assert.equal(new Set(groups.map(({ key }) => key)).size, 4);
  assert.deepEqual(
    groupsOf([...rows].reverse()).map(({ key }) => key),
    groups.map(({ key }) => key),
  );
  for (const { key } of groups) assert.match(key, /^[0-9a-z]{1,16}$/);
});
