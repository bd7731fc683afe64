import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byType, ceiling, series, totals } from './index';

const at = (minutes: number) => new Date(Date.UTC(2026, 0, 1, 0, minutes)).toISOString();
const point = (minutes: number, intentType: string, accepted: number, failed = 0) => ({
  startedAt: at(minutes),
  intentType,
  accepted: String(accepted),
  completed: String(accepted - failed),
  failed: String(failed),
  cancelled: '0',
});
const points = [point(1, 'a', 3, 1), point(1, 'b', 2), point(3, 'a', 5), point(9, 'a', 100)];

test('each bucket is there, and the types of one are added', () => {
  const found = series(points, Date.parse(at(0)), 60_000, 5);
  assert.deepEqual(
    found.map(({ accepted }) => accepted),
    [0, 5, 0, 5, 0],
  );
  assert.deepEqual(found[1], { at: Date.parse(at(1)), accepted: 5, completed: 4, failed: 1, cancelled: 0 });
});

test('a point before the time and one after it are in no bucket', () => {
  assert.equal(totals(points).accepted, 110);
  const found = series(points, Date.parse(at(2)), 60_000, 3);
  assert.deepEqual(
    found.map(({ accepted }) => accepted),
    [0, 5, 0],
  );
});

test('the type with the most comes first', () => {
  assert.deepEqual(
    byType(points).map(({ type, accepted, failed }) => [type, accepted, failed]),
    [
      ['a', 108, 1],
      ['b', 2, 0],
    ],
  );
});

test('an axis ends at a round number', () => {
  assert.deepEqual([0, 1, 3, 7, 10, 11, 4_999].map(ceiling), [1, 1, 5, 10, 10, 20, 5_000]);
});
