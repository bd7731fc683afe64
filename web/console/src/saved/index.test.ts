import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSame, readViews, withView } from './read';

const view = (name: string, search = '?status=FAILED') => ({ name, page: '/executions', search });

test('what the browser kept that is no view is left out', () => {
  const good = view('mine');
  const kept = [good, 7, null, { name: '', page: '/executions', search: '' }, { ...good, page: 'https://example.com' }];
  assert.deepEqual(readViews(JSON.stringify([...kept, { ...good, search: 'status' }])), [good]);
  for (const text of [null, '', '{', '{}', '"views"']) assert.deepEqual(readViews(text), []);
});

test('a view of the same page and name gives way, and the oldest of very many goes', () => {
  const others = Array.from({ length: 100 }, (_, at) => view(`view ${at}`));
  const all = withView(others, view('view 5', '?roots=1'));
  assert.equal(all.length, 100);
  assert.deepEqual(
    all.filter(({ name }) => name === 'view 5'),
    [view('view 5', '?roots=1')],
  );
  assert.ok(!withView(all, view('another')).some(({ name }) => name === 'view 0'));
  assert.deepEqual(readViews(JSON.stringify(all)), all);
});

test('the order of filters makes no other view', () => {
  assert.ok(isSame('?status=FAILED,RUNNING&roots=1', '?roots=1&status=FAILED%2CRUNNING'));
  assert.ok(!isSame('?status=FAILED', '?status=RUNNING'));
  assert.ok(isSame('', '?'));
});
