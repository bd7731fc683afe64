/** The rows of a waterfall, made of executions with their attempts, steps and children. */
import type { types } from '../api';
import { micros } from '../time/format';

export type Span = types.SpanFragment;
export type Step = { name: string; attempt: number; startedAt: string; finishedAt: string | null };
export type EventLine = types.EventLineFragment;

export interface Node {
  span: Span;
  steps: readonly Step[];
  events: readonly EventLine[];
  children: readonly Span[];
  hasMoreChildren: boolean;
  isLoading: boolean;
}

/** Times are microseconds; an end that is not there yet is undefined. */
export type Bar = {
  key: string;
  depth: number;
  from: number;
  to: number | undefined;
} & (
  | { kind: 'execution'; span: Span; start: number | undefined; isOpen: boolean; isRoot: boolean }
  | { kind: 'attempt'; attempt: number; state: 'good' | 'bad' | 'busy' | 'off'; words: string }
  | { kind: 'step'; step: Step }
  | { kind: 'fold'; name: string; spans: Span[]; isOpen: boolean }
  | { kind: 'more'; parent: string; isLoading: boolean }
);

/** So many alike siblings become one row. */
export const foldsFrom = 5;

const end = ({ finishedAt }: Span) => (finishedAt ? micros(finishedAt) : undefined);

/** The rows below and with an execution, in the order of their beginnings. `nodes` has the executions that are open. */
export function bars(root: Node, nodes: ReadonlyMap<string, Node>, open: ReadonlySet<string>): Bar[] {
  const found: Bar[] = [];
  add(root, 0, true);
  return found;

  function execution(span: Span, depth: number, isRoot: boolean): Bar {
    const start = span.startedAt ? micros(span.startedAt) : undefined;
    const isOpen = isRoot || open.has(span.id);
    return {
      key: `exe:${span.id}`,
      kind: 'execution',
      depth,
      span,
      from: micros(span.createdAt),
      start,
      to: end(span),
      isOpen,
      isRoot,
    };
  }

  function add(node: Node, depth: number, isRoot: boolean) {
    const { span } = node;
    found.push(execution(span, depth, isRoot));
    const below: { at: number; run(): void }[] = [];
    for (const attempt of attempts(span, node.events)) {
      below.push({ at: attempt.from, run: () => found.push({ ...attempt, depth: depth + 1 }) });
    }
    for (const step of node.steps) {
      const from = micros(step.startedAt);
      const to = step.finishedAt ? micros(step.finishedAt) : undefined;
      const bar: Bar = { key: `stp:${span.id}:${step.name}`, kind: 'step', depth: depth + 1, step, from, to };
      below.push({ at: from, run: () => found.push(bar) });
    }
    for (const [name, spans] of byType(node.children)) {
      if (spans.length < foldsFrom) {
        for (const child of spans) below.push({ at: micros(child.createdAt), run: () => addChild(child, depth + 1) });
        continue;
      }
      const key = `fold:${span.id}:${name}`;
      const isOpen = open.has(key);
      const from = Math.min(...spans.map(({ createdAt }) => micros(createdAt)));
      const ends = spans.map(end);
      const to = ends.some((one) => one === undefined) ? undefined : Math.max(...ends.map((one) => one ?? 0));
      below.push({
        at: from,
        run() {
          found.push({ key, kind: 'fold', depth: depth + 1, name, spans, from, to, isOpen });
          if (isOpen) for (const child of spans) addChild(child, depth + 2);
        },
      });
    }
    below.sort((a, b) => a.at - b.at);
    for (const { run } of below) run();
    if (node.hasMoreChildren || node.isLoading) {
      found.push({
        key: `more:${span.id}`,
        kind: 'more',
        depth: depth + 1,
        parent: span.id,
        from: micros(span.createdAt),
        to: undefined,
        isLoading: node.isLoading,
      });
    }
  }

  function addChild(span: Span, depth: number) {
    const node = nodes.get(span.id);
    if (node && open.has(span.id)) add({ ...node, span }, depth, false);
    else found.push(execution(span, depth, false));
  }
}

function byType(spans: readonly Span[]): Map<string, Span[]> {
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    const { intentType } = span.intent;
    const group = groups.get(intentType);
    if (group) group.push(span);
    else groups.set(intentType, [span]);
  }
  return groups;
}

/** The attempts of an execution that had several, by its events. */
export function attempts(span: Span, events: readonly EventLine[]) {
  const found: {
    key: string;
    kind: 'attempt';
    attempt: number;
    from: number;
    to: number | undefined;
    state: 'good' | 'bad' | 'busy' | 'off';
    words: string;
  }[] = [];
  for (const event of events) {
    const at = micros(event.occurredAt);
    const last = found.at(-1);
    if (event.__typename === 'ExecutionStarted') {
      if (last && last.to === undefined)
        Object.assign(last, { to: at, state: 'off', words: 'was taken from its node' });
      found.push({
        key: `att:${span.id}:${event.attempt}`,
        kind: 'attempt',
        attempt: event.attempt,
        from: at,
        to: undefined,
        state: 'busy',
        words: 'runs',
      });
    } else if (last && last.to === undefined) {
      if (event.__typename === 'ExecutionRetrying')
        Object.assign(last, { to: at, state: 'bad', words: `${event.error.code}: ${event.error.message}` });
      else if (event.__typename === 'ExecutionFailed')
        Object.assign(last, { to: at, state: 'bad', words: `${event.error.code}: ${event.error.message}` });
      else if (event.__typename === 'ExecutionCompleted')
        Object.assign(last, { to: at, state: 'good', words: 'completed' });
      else if (event.__typename === 'ExecutionCancelled')
        Object.assign(last, { to: at, state: 'off', words: 'cancelled' });
    }
  }
  return found.length > 1 ? found : [];
}

/** The range of time that rows cover; `now` stands for ends that are not there yet. */
export function range(rows: readonly Bar[], now: number): [number, number] {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { from, to, kind } of rows) {
    if (kind === 'more') continue;
    least = Math.min(least, from);
    greatest = Math.max(greatest, to ?? Math.max(now, from));
  }
  return greatest > least ? [least, greatest] : [least, least + 1_000];
}

/** Round places for the marks of an axis, as microseconds after its beginning. */
export function marks(length: number, most: number): number[] {
  const rough = length / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const decimal = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
  const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
  const step =
    rough < 1_000_000 ? decimal : (seconds.map((one) => one * 1_000_000).find((one) => one >= rough) ?? decimal);
  const places = [];
  for (let at = 0; at <= length * 1.000_001; at += step) places.push(at);
  return places;
}
