/** The list of executions: filters in the address, rows that keep themselves up to date. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useMemo, useState } from 'react';
import { type types, useStore } from '../api';
import { type Filter, type Row, useExecutions } from '../live/executions';
import { feedFailure } from '../live/feed';
import { Action, ExecutionLink, Head, Id, Lasting, SessionLink, Time } from '../parts';
import { useChange } from '../parts/address';
import { OneOf, Several, TextFilter, Toggle } from '../parts/controls';
import { Filters, TypesFilter, useTypes } from '../parts/filters';
import { type Column, Grid } from '../parts/grid';
import { None } from '../parts/list';
import { Empty, Failed, Loading } from '../parts/state';
import { executionStatuses, Status, statusName, waitFilters, waitName } from '../parts/status';
import { type ExecutionsSearch, type Since, sinceNames, sinceSeconds } from '../views';

const route = getRouteApi('/executions');

/** What can be done with all that the filters show. */
const Bulk = lazy(() => import('./operation/begin').then(({ OfExecutions }) => ({ default: OfExecutions })));

const columns: Column<Row>[] = [
  {
    id: 'status',
    title: 'Status',
    width: '128px',
    cell: ({ status, waitingFor }) => <Status of={status} waiting={waitingFor} />,
  },
  {
    id: 'type',
    title: 'Intent',
    width: 'minmax(112px, 1.6fr)',
    cell: (row) => (
      <div className="two">
        <ExecutionLink id={row.id}>{row.intent.intentType}</ExecutionLink>
        <small className={row.error && row.status === 'FAILED' ? 'bad-text' : 'muted'}>{detail(row)}</small>
      </div>
    ),
  },
  { id: 'id', title: 'Execution', width: '176px', from: 'medium', cell: ({ id }) => <Id id={id} /> },
  {
    id: 'session',
    title: 'Session',
    width: '140px',
    from: 'wide',
    cell: ({ intent }) => <SessionLink id={intent.session.id} />,
  },
  {
    id: 'by',
    title: 'Submitted by',
    width: 'minmax(90px, .7fr)',
    from: 'wide',
    cell: ({ submittedBy }) => <span className="cut">{submittedBy ?? '–'}</span>,
  },
  {
    id: 'attempt',
    title: 'Attempt',
    width: '70px',
    from: 'wide',
    cell: ({ attempt }) => <span className={attempt > 1 ? 'num strong' : 'num muted'}>{attempt || '–'}</span>,
  },
  {
    id: 'lasting',
    title: 'Duration',
    width: '92px',
    from: 'medium',
    cell: ({ startedAt, finishedAt }) => (
      <span className="num">
        <Lasting from={startedAt} to={finishedAt} />
      </span>
    ),
  },
  { id: 'created', title: 'Created', width: '88px', cell: ({ createdAt }) => <Time at={createdAt} /> },
];

function detail({ status, error, waitingFor, parent, intent: { idempotencyKey } }: Row): string {
  if (status === 'FAILED' && error) return `${error.code}: ${error.message}`;
  if (waitingFor) return waitName(waitingFor);
  if (idempotencyKey) return idempotencyKey;
  return parent ? 'child' : '';
}

/** When a length of time that ends at `now` began. */
const ago = (since: Since, now: number) => new Date(now - sinceSeconds[since] * 1_000).toISOString();

export function filterOf(search: ExecutionsSearch, now: number): Filter {
  const { status, type, session, key, roots, since, handler, code, rerun, waiting, finished } = search;
  return {
    ...(status && { status }),
    ...(type && { intentType: type }),
    ...(session && { sessionId: session }),
    ...(key && { idempotencyKey: key }),
    ...(roots && { rootsOnly: true }),
    ...(since && { createdAfter: ago(since, now) }),
    ...(handler && { handlerName: handler }),
    ...(code && { errorCode: code }),
    ...(rerun && { rerunOf: rerun }),
    ...(waiting && { waitingFor: waiting }),
    ...(finished && { finishedAfter: ago(finished, now) }),
  };
}

const orders: { id: NonNullable<ExecutionsSearch['order']> | 'newest'; name: string; by: types.ExecutionOrder }[] = [
  { id: 'newest', name: 'newest first', by: 'NEWEST_FIRST' },
  { id: 'oldest', name: 'oldest first', by: 'OLDEST_FIRST' },
  { id: 'ended', name: 'ended last first', by: 'LAST_FINISHED_FIRST' },
  { id: 'ended-first', name: 'ended first first', by: 'FIRST_FINISHED_FIRST' },
];

/** Filters that are shown when they are set, or when more are asked for. */
const rare = ['handler', 'code', 'rerun', 'waiting', 'finished', 'session', 'key'] as const;

export default function Executions() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<ExecutionsSearch>();
  const asked = JSON.stringify(search);
  // A range that ends now begins at the minute, so that going back finds the same list.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address alone says what the filter is
  const filter = useMemo(() => filterOf(search, Math.floor(Date.now() / 60_000) * 60_000), [asked]);
  const order = orders.find(({ id }) => id === search.order) ?? orders[0];
  const list = useExecutions(filter, order?.by ?? 'NEWEST_FIRST');
  const unfed = useStore(feedFailure);
  const isFiltered = Object.keys(filter).length > 0;
  const clear = () =>
    set(Object.fromEntries([...rare, 'status', 'type', 'roots', 'since'].map((name) => [name, undefined])));

  return (
    <div className="page full">
      <Head
        title="Executions"
        below={unfed ? `Not live: ${unfed.message}` : 'What was submitted, as it changes'}
        actions={
          <Suspense>
            <Bulk filter={filter} />
          </Suspense>
        }
      />
      <Filters page="/executions" clear={isFiltered ? clear : undefined}>
        <Common search={search} set={set} />
        <OneOf
          label="Order"
          choices={orders}
          chosen={search.order ?? 'newest'}
          choose={(id) => set({ order: id === 'newest' ? undefined : id })}
          isOn={search.order !== undefined}
        />
        <Rare search={search} set={set} />
      </Filters>
      <Body
        list={list}
        isFiltered={isFiltered}
        clear={clear}
        open={({ id }) => void navigate({ to: '/executions/$id', params: { id } })}
      />
    </div>
  );
}

interface FilterProps {
  search: ExecutionsSearch;
  set(change: ExecutionsSearch): void;
}

function Common({ search, set }: FilterProps) {
  return (
    <>
      <Several
        label="Status"
        choices={executionStatuses.map((id) => ({ id, name: statusName(id) }))}
        chosen={search.status ?? []}
        choose={(ids) => set({ status: executionStatuses.filter((one) => ids.includes(one)) })}
      />
      <TypesFilter chosen={search.type} choose={(type) => set({ type })} />
      <OneOf<Since | 'all'>
        label="Created"
        choices={anyTime}
        chosen={search.since ?? 'all'}
        choose={(id) => set({ since: id === 'all' ? undefined : id })}
        isOn={search.since !== undefined}
      />
      <Toggle isOn={search.roots ?? false} set={(isOn) => set({ roots: isOn || undefined })}>
        Roots only
      </Toggle>
    </>
  );
}

const anyTime: { id: Since | 'all'; name: string }[] = [{ id: 'all', name: 'any time' }, ...sinceNames];

function Rare({ search, set }: FilterProps) {
  const isSet = rare.some((name) => search[name] !== undefined);
  const [isOpen, setOpen] = useState(isSet);
  // Another address on the same page, as that of a saved view.
  if (isSet && !isOpen) setOpen(true);
  const handlers = new Set(useTypes().flatMap((type) => type.handlers.map((one) => one.handlerName)));
  if (!isOpen)
    return (
      <Action kind="quiet" icon="plus" onPress={() => setOpen(true)}>
        More filters
      </Action>
    );
  return (
    <>
      <OneOf<Since | 'all'>
        label="Ended"
        choices={anyTime}
        chosen={search.finished ?? 'all'}
        choose={(id) => set({ finished: id === 'all' ? undefined : id })}
        isOn={search.finished !== undefined}
      />
      <Several
        label="Waits"
        choices={waitFilters.map((id) => ({ id, name: waitName(id) }))}
        chosen={search.waiting ?? []}
        choose={(ids) => set({ waiting: waitFilters.filter((one) => ids.includes(one)) })}
      />
      <Several
        label="Handler"
        choices={[...handlers].sort().map((name) => ({ id: name, name }))}
        chosen={search.handler ?? []}
        choose={(handler) => set({ handler })}
      />
      <TextFilter
        label="Error codes"
        placeholder="Error codes"
        value={search.code?.join(', ') ?? ''}
        set={(text) => set({ code: text.split(/[\s,]+/).filter(Boolean) })}
      />
      <TextFilter
        label="Re-run of"
        placeholder="Re-run of: exe_…"
        value={search.rerun ?? ''}
        set={(rerun) => set({ rerun: rerun || undefined })}
      />
      <TextFilter
        label="Session"
        placeholder="Session: ses_…"
        value={search.session ?? ''}
        set={(session) => set({ session: session || undefined })}
      />
      <TextFilter
        label="Idempotency key"
        placeholder="Idempotency key"
        value={search.key ?? ''}
        set={(key) => set({ key: key || undefined })}
      />
    </>
  );
}

const none = {
  ofFilters: 'No execution fits these filters',
  title: 'No executions yet',
  words: 'Submit an intent, from a program or from the page Types, and it shows up here.',
};

function Body({
  list,
  isFiltered,
  clear,
  open,
}: {
  list: ReturnType<typeof useExecutions>;
  isFiltered: boolean;
  clear(): void;
  open(row: Row): void;
}) {
  if (!list.data) {
    return list.failure ? (
      <Failed failure={list.failure} again={list.again} what="The list of executions" />
    ) : (
      <Loading lines={12} />
    );
  }
  const failed = list.failure && <Failed failure={list.failure} again={list.again} what="More of this list" />;
  if (list.rows.length === 0 && list.held === 0) {
    if (list.hasMore) {
      return (
        <Empty title="Nothing found so far">
          The server has looked at a part of the list. <Action onPress={list.loadMore}>Look further</Action>
        </Empty>
      );
    }
    if (failed) return failed;
    return <None none={none} clear={isFiltered ? clear : undefined} />;
  }
  return (
    <div className="grid-place">
      {list.held > 0 && (
        <div className="news">
          <Action kind="main" onPress={list.release}>
            {list.held} new
          </Action>
        </div>
      )}
      <Grid
        label="Executions"
        columns={columns}
        rows={list.rows}
        keyOf={({ id }) => id}
        open={open}
        hasMore={list.hasMore}
        isLoadingMore={list.isLoadingMore}
        loadMore={list.loadMore}
        onTop={list.setTop}
        more={failed || (list.isLoadingMore && <Loading lines={2} />)}
      />
    </div>
  );
}
