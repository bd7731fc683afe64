import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bars, type Item, marks, type Node, range, type Span } from './spans';

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000Z`;

const span = (id: string, from: number, to: number | null, more: Partial<Span> = {}): Span => ({
  __typename: 'Execution',
  id,
  status: to === null ? 'RUNNING' : 'COMPLETED',
  waitingFor: null,
  attempt: 1,
  createdAt: at(from),
  startedAt: at(from),
  finishedAt: to === null ? null : at(to),
  runAt: null,
  handlerName: 'h',
  error: null,
  intent: { intentType: 'work' },
  ...more,
});

const item = (kind: Item['kind'], from: number, to: number | null, more: Partial<Item> = {}): Item => ({
  id: `${kind}/${from}`,
  kind,
  name: null,
  attempt: null,
  startedAt: at(from),
  finishedAt: to === null ? null : at(to),
  outcome: to === null ? null : 'COMPLETED',
  waitingFor: null,
  errorCode: null,
  child: null,
  ...more,
});

const node = (of: Span, children: Span[] = [], items: Item[] = []): Node => ({
  span: of,
  items: [...items, ...children.map((child) => item('CHILD', 0, null, { child }))],
  more: [],
  isCut: false,
  isLoading: false,
});

const none = new Set<string>();
const kinds = (rows: ReturnType<typeof bars>) => rows.map(({ kind }) => kind);

test('four alike siblings are rows of their own, five are one that opens', () => {
  const children = (count: number) =>
    Array.from({ length: count }, (_, index) => span(`exe_${index}`, index, index + 1));
  assert.equal(bars(node(span('exe_r', 0, 9), children(4)), new Map(), none).length, 5);
  const root = node(span('exe_r', 0, 9), children(5));
  const folded = bars(root, new Map(), none);
  assert.deepEqual(kinds(folded), ['execution', 'fold']);
  const [, fold] = folded;
  const opened = bars(root, new Map(), new Set([fold?.key ?? '']));
  assert.deepEqual(kinds(opened), ['execution', 'fold', ...Array(5).fill('execution')]);
  assert.deepEqual([fold?.from, fold?.to], [opened[2]?.from, opened[6]?.to]);
});

test('a fold with a live sibling has no end', () => {
  const children = [0, 1, 2, 3, 4].map((index) => span(`exe_${index}`, index, index === 3 ? null : 9));
  assert.equal(bars(node(span('exe_r', 0, null), children), new Map(), none)[1]?.to, undefined);
});

test('attempts are rows with how they ended', () => {
  const items = [
    item('ATTEMPT', 1, 4, { attempt: 1, outcome: 'SUSPENDED' }),
    item('ATTEMPT', 4, 6, { attempt: 2, outcome: 'RETRIED', errorCode: 'BROKEN' }),
    item('ATTEMPT', 8, null, { attempt: 3 }),
  ];
  const rows = bars(node(span('exe_r', 0, null), [], items), new Map(), none).filter(({ kind }) => kind === 'attempt');
  assert.deepEqual(
    rows.map((row) => row.kind === 'attempt' && [row.attempt, row.state, row.words, row.to && row.to - row.from]),
    [
      [1, 'off', 'gave its place up', 3_000_000],
      [2, 'bad', 'BROKEN', 2_000_000],
      [3, 'busy', 'runs', undefined],
    ],
  );
});

test('one attempt is no row, for it is the execution itself', () => {
  const items = [item('ATTEMPT', 1, 2, { attempt: 1 })];
  assert.deepEqual(kinds(bars(node(span('exe_r', 0, 2), [], items), new Map(), none)), ['execution']);
});

test('waits after the first attempt began are part of the row of the execution, and a step is one of its own', () => {
  const items = [
    item('WAIT', 0, 1, { waitingFor: 'QUEUE' }),
    item('STEP', 1, 2, { name: 'read', attempt: 1 }),
    item('WAIT', 3, null, { waitingFor: 'CHILDREN' }),
  ];
  const [row, step] = bars(node(span('exe_r', 0, null, { startedAt: at(1) }), [], items), new Map(), none);
  assert.ok(row?.kind === 'execution' && step?.kind === 'step');
  assert.deepEqual(
    row.waits.map(({ reason, to }) => [reason, to]),
    [['CHILDREN', undefined]],
  );
  assert.deepEqual([step.key, step.state], ['stp:exe_r:read', 'step']);
});

test('a child that the timeline had no room for follows by its page, and none comes twice', () => {
  const [one, other] = [span('exe_1', 1, 2), span('exe_2', 2, 3)];
  const root = { ...node(span('exe_r', 0, null), [one]), more: [one, other], isCut: true };
  assert.deepEqual(kinds(bars(root, new Map(), none)), ['execution', 'execution', 'execution', 'more']);
});

test('the range reaches to now where something still runs, and its marks are round', () => {
  const rows = bars(node(span('exe_r', 0, null)), new Map(), none);
  const [first, last] = range(rows, Date.parse(at(30)) * 1_000);
  assert.equal(last - first, 30_000_000);
  assert.deepEqual(
    marks(last - first, 6),
    [0, 5, 10, 15, 20, 25, 30].map((second) => second * 1_000_000),
  );
  assert.deepEqual(marks(900, 6), [0, 200, 400, 600, 800]);
});
