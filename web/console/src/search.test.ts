import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSearch, parseSearch, Reader } from './search';

test('a view is written in the form in which it is read', () => {
  const search = { status: ['FAILED', 'RUNNING'], key: 'a&b=c', roots: true, since: undefined };
  const text = formatSearch(search);
  assert.equal(text, '?status=FAILED,RUNNING&key=a%26b%3Dc&roots=1');
  const read = new Reader(parseSearch(text));
  assert.deepEqual(read.some('status', ['RUNNING', 'FAILED']), ['RUNNING', 'FAILED']);
  assert.equal(read.text('key'), 'a&b=c');
  assert.equal(read.flag('roots'), true);
});

test('what is faulty is left out', () => {
  const read = new Reader({ status: 'FINE', depth: '7000', sel: 'x' });
  assert.equal(read.some('status', ['FAILED']), undefined);
  assert.equal(read.number('depth', 1, 100), undefined);
  assert.equal(read.text('sel', /^art_/), undefined);
  assert.deepEqual(read.end({ status: undefined }), { status: undefined, depth: undefined, sel: undefined });
});
