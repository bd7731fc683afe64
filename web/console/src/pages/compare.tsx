/** Two executions side by side: facts, timing, steps, parameters and results, with what is different marked. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { type ReactNode, useEffect, useMemo } from 'react';
import { documents, keyOf, queries, type types, useAsk } from '../api';
import { type Comparison, compare, type Difference, pairs } from '../compare/diff';
import { onChanges } from '../live/feed';
import { Action, between, Copy, classes, ExecutionLink, Head, Icon, Panel, SessionLink, Time } from '../parts';
import { useChange } from '../parts/address';
import { TextFilter, Toggle } from '../parts/controls';
import { ExecutionLines } from '../parts/lines';
import { Empty, Ready } from '../parts/state';
import { Status } from '../parts/status';
import { Table, type TableColumn } from '../parts/table';
import type { CompareSearch } from '../views';

const route = getRouteApi('/compare');

type Execution = NonNullable<types.CompareQuery['execution']>;

export default function Compare() {
  const { a, b, all } = route.useSearch();
  const set = useChange<CompareSearch>();
  const side = (name: 'a' | 'b', label: string, value: string | undefined) => (
    <TextFilter
      label={label}
      placeholder={`${label}: exe_…`}
      value={value ?? ''}
      set={(id) => set({ [name]: id || undefined })}
    />
  );
  return (
    <div className="page">
      <Head title="Compare executions" below="What two executions were given, did and gave, side by side" />
      <search className="filters">
        {side('a', 'Left', a)}
        {side('b', 'Right', b)}
        {a && b && (
          <>
            <Action icon="again" onPress={() => set({ a: b, b: a })}>
              Swap
            </Action>
            <Toggle isOn={all ?? false} set={(isOn) => set({ all: isOn || undefined })}>
              What is the same, too
            </Toggle>
          </>
        )}
      </search>
      {a && b ? (
        <Both a={a} b={b} isWhole={all ?? false} />
      ) : a || b ? (
        <Others of={a ?? b ?? ''} choose={(id) => set(a ? { b: id } : { a: id })} />
      ) : (
        <Empty title="Which executions?">
          Put their ids into the fields above, or press Compare on the page of one.
        </Empty>
      )}
    </div>
  );
}

function useExecution(id: string) {
  const shown = useAsk(documents.Compare, { id });
  useEffect(
    () =>
      onChanges((changes) => {
        if (changes.has(id)) void queries.invalidateQueries({ queryKey: keyOf(documents.Compare, { id }) });
      }),
    [id],
  );
  return shown;
}

const none = (id: string) => (
  <Empty title="There is no such execution">It is absent, no longer kept, or not the caller's: {id}</Empty>
);

/** The latest executions of the same type, to choose the other one from. */
function Others({ of, choose }: { of: string; choose(id: string): void }) {
  const shown = useExecution(of);
  return (
    <Ready shown={shown} what="This execution">
      {({ execution }) =>
        execution ? <Candidates of={of} type={execution.intent.intentType} choose={choose} /> : none(of)
      }
    </Ready>
  );
}

function Candidates({ of, type, choose }: { of: string; type: string; choose(id: string): void }) {
  const shown = useAsk(documents.Executions, { first: 20, filter: { intentType: [type] }, orderBy: 'NEWEST_FIRST' });
  return (
    <Panel title={`With which one of ${type}?`}>
      <Ready shown={shown} what="The list of executions">
        {({ executions }) => (
          <ExecutionLines
            rows={executions.nodes.filter(({ id }) => id !== of)}
            none="There is no other one of this type."
            says={({ id, error, status }) => (
              <>
                <Action kind="quiet" onPress={() => choose(id)} aria-label={`Compare with this one, ${id}`}>
                  Compare with this one
                </Action>
                {status === 'FAILED' && error && `${error.code}: ${error.message}`}
              </>
            )}
          />
        )}
      </Ready>
    </Panel>
  );
}

function Both({ a, b, isWhole }: { a: string; b: string; isWhole: boolean }) {
  const [left, right] = [useExecution(a), useExecution(b)];
  return (
    <Ready shown={left} what="The left execution">
      {({ execution: one }) =>
        one ? (
          <Ready shown={right} what="The right execution">
            {({ execution: other }) => (other ? <Shown left={one} right={other} isWhole={isWhole} /> : none(b))}
          </Ready>
        ) : (
          none(a)
        )
      }
    </Ready>
  );
}

interface Sides {
  left: Execution;
  right: Execution;
  isWhole: boolean;
}

function Shown({ left, right, isWhole }: Sides) {
  const isSameType = left.intent.intentType === right.intent.intentType;
  return (
    <>
      {!isSameType && (
        <p className="note" role="status">
          <Icon name="info" />
          <span>They are of different types.</span>
        </p>
      )}
      <Panel title="Facts and timing">
        <Facts left={left} right={right} isWhole={isWhole} />
      </Panel>
      <Panel title="Steps">
        <Steps left={left} right={right} isWhole={isWhole} />
      </Panel>
      <Values title="Parameters" left={left.intent.parameters} right={right.intent.parameters} isWhole={isWhole} />
      <Values
        title="Result"
        left={left.status === 'COMPLETED' ? left.result : undefined}
        right={right.status === 'COMPLETED' ? right.result : undefined}
        isWhole={isWhole}
      />
      <Values title="Metadata" left={left.intent.metadata} right={right.intent.metadata} isWhole={isWhole} />
      <div className="buttons">
        {[left, right].map(({ id }, at) => (
          <Link key={id} to="/executions/$id" params={{ id }} className="action">
            <span>Open the {at === 0 ? 'left' : 'right'} one</span>
          </Link>
        ))}
      </div>
    </>
  );
}

interface Row {
  name: string;
  isSame: boolean;
  left: ReactNode;
  right: ReactNode;
}

/** Says by a word whether a row is the same on both sides; colour alone is no sign. */
function Mark({ words, isSame }: { words: string; isSame: boolean }) {
  return <span className={classes('difference', isSame ? 'muted' : 'differs')}>{words}</span>;
}

const rowColumns: TableColumn<Row>[] = [
  { title: 'What', cell: ({ name }) => name },
  { title: 'Left', cell: ({ left }) => <div className="side-cell">{left}</div> },
  { title: 'Right', cell: ({ right }) => <div className="side-cell">{right}</div> },
  { title: 'Difference', cell: ({ isSame }) => <Mark isSame={isSame} words={isSame ? 'same' : 'differs'} /> },
];

function Rows({ label, rows, isWhole }: { label: string; rows: Row[]; isWhole: boolean }) {
  const shown = isWhole ? rows : rows.filter(({ isSame }) => !isSame);
  if (shown.length === 0) return <p className="inside muted">Nothing is different.</p>;
  return <Table label={label} columns={rowColumns} rows={shown} keyOf={({ name }, at) => `${name} ${at}`} />;
}

function Facts({ left, right, isWhole }: Sides) {
  const row = <Value,>(name: string, of: (execution: Execution) => Value, show: (value: Value) => ReactNode): Row => ({
    name,
    isSame: of(left) === of(right),
    left: show(of(left)),
    right: show(of(right)),
  });
  const plain = (value: string | number | null) => value ?? '–';
  const took = (from: string | null, to: string | null) => (from && to ? between(from, to) : null);
  const rows: Row[] = [
    { name: 'Execution', isSame: left.id === right.id, left: <Open of={left} />, right: <Open of={right} /> },
    {
      name: 'Status',
      isSame: left.status === right.status && left.waitingFor === right.waitingFor,
      left: <Status of={left.status} waiting={left.waitingFor} />,
      right: <Status of={right.status} waiting={right.waitingFor} />,
    },
    row('Intent', ({ intent }) => intent.intentType, plain),
    row('Error', ({ error }) => (error ? `${error.code}: ${error.message}` : null), plain),
    row('Attempts', ({ attempt }) => attempt, plain),
    row('Waited', ({ createdAt, startedAt, finishedAt }) => took(createdAt, startedAt ?? finishedAt), plain),
    row('Ran', ({ startedAt, finishedAt }) => took(startedAt, finishedAt), plain),
    row(
      'Created',
      ({ createdAt }) => createdAt,
      (at) => <Time at={at} isWhole />,
    ),
    row('Handler', ({ handlerName }) => handlerName, plain),
    row('Priority', ({ priority }) => priority, plain),
    row(
      'Session',
      ({ intent }) => intent.session.id,
      (id) => <SessionLink id={id} />,
    ),
    row('Solution', ({ intent }) => intent.solutionId, plain),
    row('Submitted by', ({ submittedBy }) => submittedBy, plain),
    row('Idempotency key', ({ intent }) => intent.idempotencyKey, plain),
    row(
      'Re-run of',
      ({ rerunOf }) => rerunOf?.id ?? null,
      (id) => (id ? <ExecutionLink id={id} /> : '–'),
    ),
    row(
      'Parent',
      ({ parent }) => parent?.id ?? null,
      (id) => (id ? <ExecutionLink id={id} /> : '–'),
    ),
  ];
  return <Rows label="Facts and timing" rows={rows} isWhole={isWhole} />;
}

function Open({ of: { id } }: { of: Execution }) {
  return (
    <span className="id">
      <ExecutionLink id={id} />
      <Copy text={id} label={`Copy the id of ${id}`} />
    </span>
  );
}

function Steps({ left, right, isWhole }: Sides) {
  const say = (step: Execution['steps'][number] | undefined) =>
    step === undefined
      ? 'not there'
      : `${step.finishedAt ? between(step.startedAt, step.finishedAt) : 'not ended'}, attempt ${step.attempt}`;
  const rows = pairs(left.steps, right.steps).map(({ name, left: one, right: other }): Row => {
    const [said, saidToo] = [say(one), say(other)];
    return { name, isSame: said === saidToo, left: said, right: saidToo };
  });
  if (rows.length === 0) return <p className="inside muted">Neither has recorded steps.</p>;
  return <Rows label="Steps" rows={rows} isWhole={isWhole} />;
}

const kindWords: Record<Difference['kind'], string> = {
  same: 'same',
  changed: 'differs',
  left: 'left only',
  right: 'right only',
};
const longest = 400;

function Shorter({ value }: { value: unknown }) {
  if (value === undefined) return <span className="muted">–</span>;
  const text = JSON.stringify(value);
  return <code>{text.length > longest ? `${text.slice(0, longest)}…` : text}</code>;
}

const valueColumns: TableColumn<Difference>[] = [
  { title: 'Place', cell: ({ path }) => <code>{path || 'the whole'}</code> },
  {
    title: 'Left',
    cell: ({ left }) => (
      <div className="side-cell">
        <Shorter value={left} />
      </div>
    ),
  },
  {
    title: 'Right',
    cell: ({ right }) => (
      <div className="side-cell">
        <Shorter value={right} />
      </div>
    ),
  },
  { title: 'Difference', cell: ({ kind }) => <Mark isSame={kind === 'same'} words={kindWords[kind]} /> },
];
const shownPlaces = 200;

function Values({ title, left, right, isWhole }: { title: string; left: unknown; right: unknown; isWhole: boolean }) {
  const found: Comparison = useMemo(() => compare(left, right), [left, right]);
  const rows = isWhole ? found.differences : found.differences.filter(({ kind }) => kind !== 'same');
  const more = [
    rows.length > shownPlaces && `The first ${shownPlaces} of ${rows.length} places are shown.`,
    found.isCut && `Only the first ${found.differences.length} places were compared.`,
  ]
    .filter(Boolean)
    .join(' ');
  return (
    <Panel title={title} more={<span className="muted small">{summary(found)}</span>}>
      {rows.length === 0 ? (
        <p className="inside muted">Nothing is different.</p>
      ) : (
        <Table
          label={title}
          columns={valueColumns}
          rows={rows.slice(0, shownPlaces)}
          keyOf={({ path }) => path}
          more={more}
        />
      )}
    </Panel>
  );
}

function summary({ differences, isCut }: Comparison): string {
  const count = differences.filter(({ kind }) => kind !== 'same').length;
  return `${count}${isCut ? '+' : ''} of ${differences.length}${isCut ? '+' : ''} places differ`;
}
