import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, pairs } from './diff';

const lines = (left: unknown, right: unknown) =>
  compare(left, right).differences.map(({ path, kind }) => `${kind} ${path}`.trim());

test('every place is said once, with what it is on each side', () => {
  assert.deepEqual(lines({ a: 1, b: { c: [1, 2] }, 'x y': 0 }, { b: { c: [1, 3, 4] }, 'x y': 0, d: null }), [
    'left a',
    'same b.c[0]',
    'changed b.c[1]',
    'right b.c[2]',
    'same ["x y"]',
    'right d',
  ]);
  assert.deepEqual(compare({ a: undefined }, {}).differences, [
    { path: 'a', kind: 'left', left: undefined, right: undefined },
  ]);
});

test('kinds of values that are alike are not the same', () => {
  assert.deepEqual(lines([], {}), ['changed']);
  assert.deepEqual(lines(0, '0'), ['changed']);
  assert.deepEqual(lines(null, null), ['same']);
  assert.deepEqual(lines({}, {}), ['same']);
  assert.deepEqual(lines({ a: {} }, { a: { b: 1 } }), ['right a.b']);
});

test('very large values are cut, and say so', () => {
  const list = Array.from({ length: 5_000 }, (_, at) => at);
  const { differences, isCut } = compare(list, [...list].reverse());
  assert.equal(differences.length, 1_000);
  assert.ok(isCut);
  assert.ok(!compare(list.slice(0, 1_000), list.slice(0, 1_000)).isCut);
  let deep: unknown = 1;
  for (let at = 0; at < 500; at += 1) deep = [deep];
  assert.equal(compare(deep, deep).differences.length, 1);
});

test('steps are paired by name, each once', () => {
  const step = (name: string, at: number) => ({ name, at });
  const found = pairs([step('a', 1), step('b', 2), step('a', 3)], [step('a', 4), step('c', 5), step('b', 6)]);
  assert.deepEqual(
    found.map(({ name, left, right }) => [name, left?.at, right?.at]),
    [
      ['a', 1, 4],
      ['b', 2, 6],
      ['a', 3, undefined],
      ['c', undefined, 5],
    ],
  );
});
