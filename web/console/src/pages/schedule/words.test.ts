import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firedBy, timesOf } from './words';

test('the key of an execution tells the schedule and its time, and other keys nothing', () => {
  const key = 'sch_01m8n6jc16ehh8g4sbr0kdbqt9/2026-03-29T01:00:00Z';
  assert.deepEqual(firedBy(key), { id: 'sch_01m8n6jc16ehh8g4sbr0kdbqt9', at: '2026-03-29T01:00:00Z' });
  for (const other of [null, '', 'cities-1', 'sch_1', 'sch_1/now', 'sch_1/2026-03-29T99:00:00Z', `x${key}`])
    assert.equal(firedBy(other), undefined, String(other));
});

test('times are those of a cron expression in its zone, or an interval', () => {
  const none = { cron: null, everySeconds: null, timeZone: null };
  assert.equal(timesOf({ ...none, cron: '30 2 * * *', timeZone: 'Europe/Berlin' }), '30 2 * * *, Europe/Berlin');
  assert.equal(timesOf({ ...none, cron: '@daily' }), '@daily, UTC');
  assert.equal(timesOf({ ...none, everySeconds: 300 }), 'every 5 min');
});
