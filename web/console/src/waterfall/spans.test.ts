import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bars, type EventLine, marks, type Node, range, type Span } from './spans';

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

const node = (of: Span, children: Span[] = [], events: EventLine[] = []): Node => ({
  span: of,
  steps: [],
  events,
  children,
  hasMoreChildren: false,
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

const event = (typename: string, second: number, more: object): EventLine =>
  ({ __typename: typename, id: `evt_${second}`, occurredAt: at(second), ...more }) as unknown as EventLine;

test('an attempt that was taken from its node ends where the next one begins', () => {
  const error = { code: 'BROKEN', message: 'it broke' };
  const events = [
    event('ExecutionStarted', 1, { attempt: 1 }),
    event('ExecutionStarted', 4, { attempt: 2 }),
    event('ExecutionRetrying', 6, { attempt: 2, error }),
    event('ExecutionStarted', 8, { attempt: 3 }),
  ];
  const rows = bars(node(span('exe_r', 0, null), [], events), new Map(), none).filter(({ kind }) => kind === 'attempt');
  assert.deepEqual(
    rows.map(
      (row) => row.kind === 'attempt' && [row.attempt, row.state, row.to === undefined ? null : row.to - row.from],
    ),
    [
      [1, 'off', 3_000_000],
      [2, 'bad', 2_000_000],
      [3, 'busy', null],
    ],
  );
});

test('one attempt is no row, for it is the execution itself', () => {
  const events = [event('ExecutionStarted', 1, { attempt: 1 }), event('ExecutionCompleted', 2, {})];
  assert.deepEqual(kinds(bars(node(span('exe_r', 0, 2), [], events), new Map(), none)), ['execution']);
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
