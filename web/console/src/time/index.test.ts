import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absolute, ago, instantOf, micros, span } from './format';

test('times keep their microseconds and name their zone', () => {
  const text = '2026-01-31T23:30:00.123456Z';
  assert.equal(micros(text) % 1_000_000, 123_456);
  assert.equal(absolute(text, 'UTC'), '2026-01-31 23:30:00.123 UTC');
  assert.match(absolute(text, 'Asia/Kolkata'), /^2026-02-01 05:00:00\.123 (?:GMT\+5:30|IST)$/);
  assert.equal(micros('1969-12-31T23:59:59.900000Z'), -100_000);
});

test('lengths of time have two units at most', () => {
  const lengths: [number, string][] = [
    [83, '83 µs'],
    [1_250, '1.25 ms'],
    [59_000_000, '59.0 s'],
    [250_000_000, '4 min 10 s'],
    [7_200_000_000, '2 h'],
    [90_000_000_000, '1 d 1 h'],
  ];
  for (const [us, words] of lengths) assert.equal(span(us), words);
});

test('how long ago is said for the past and the future', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(ago('2025-12-31T23:59:48Z', now), '12 s ago');
  assert.equal(ago('2026-01-01T00:05:00Z', now), 'in 5 min');
  assert.equal(ago('2026-01-01T00:00:01Z', now), 'now');
});

test('a time of a zone is the moment at which its clocks show it, once, twice or not at all', () => {
  const times: [string, string, string | undefined][] = [
    ['2026-02-01T05:00', 'Asia/Kolkata', '2026-01-31T23:30:00.000Z'],
    ['2026-07-01T12:00:30', 'Europe/Berlin', '2026-07-01T10:00:30.000Z'],
    ['2026-03-29T02:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z'],
    ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
    ['2026-10-25T03:00', 'Europe/Berlin', '2026-10-25T02:00:00.000Z'],
    ['2026-01-01T00:00', 'UTC', '2026-01-01T00:00:00.000Z'],
    ['tomorrow', 'UTC', undefined],
    ['', 'UTC', undefined],
  ];
  for (const [local, zone, instant] of times) assert.equal(instantOf(local, zone), instant, `${local} in ${zone}`);
});
