/** What has failed, by cause: the newest failures of a time, grouped by type, code and message. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { ask, documents, type Failure, queries, type types, useAsk } from '../api';
import { type Group, groupsOf } from '../failures/groups';
import { useChanges } from '../live/feed';
import { Action, ExecutionLink, Head, Icon, Time } from '../parts';
import { useChange } from '../parts/address';
import { Aside } from '../parts/aside';
import { OneOf, Several, Toggle } from '../parts/controls';
import { Filters } from '../parts/filters';
import { type Column, Grid } from '../parts/grid';
import { Empty, Failed, Loading } from '../parts/state';
import { type FailuresSearch, type Since, sinceNames, sinceSeconds } from '../views';

const route = getRouteApi('/failures');

type Row = types.ExecutionRowFragment;

/** So many failures are read: the newest ones. */
const most = 1_000;
const pageSize = 200;
const everyMs = 3_000;

async function read(filter: types.ExecutionFilter, signal: AbortSignal): Promise<{ rows: Row[]; isCut: boolean }> {
  const rows: Row[] = [];
  let after: string | null = null;
  while (rows.length < most) {
    const variables = { first: pageSize, after, filter, orderBy: 'NEWEST_FIRST' as const };
    const answer: { data: types.ExecutionsQuery } = await ask(documents.Executions, variables, { signal });
    const { nodes, pageInfo } = answer.data.executions;
    rows.push(...nodes);
    if (!pageInfo.hasNextPage) return { rows, isCut: false };
    after = pageInfo.endCursor;
  }
  return { rows, isCut: true };
}

const columns: Column<Group<Row>>[] = [
  { id: 'count', title: 'Failures', width: '72px', cell: ({ rows }) => <b className="num">{rows.length}</b> },
  {
    id: 'cause',
    title: 'Cause',
    width: 'minmax(150px, 3fr)',
    cell: ({ code, message }) => (
      <div className="two">
        <code className="bad-text">{code}</code>
        <small className="muted" title={message}>
          {message}
        </small>
      </div>
    ),
  },
  {
    id: 'type',
    title: 'Intent',
    width: 'minmax(110px, 1fr)',
    from: 'medium',
    cell: ({ type }) => <span className="cut">{type}</span>,
  },
  { id: 'first', title: 'First', width: '88px', from: 'wide', cell: ({ first }) => <Time at={first} /> },
  { id: 'last', title: 'Last', width: '88px', cell: ({ last }) => <Time at={last} /> },
];

export default function Failures() {
  const search = route.useSearch();
  const set = useChange<FailuresSearch>();
  const { since = '1d', type, roots, sel } = search;
  const names = useAsk(documents.TypeNames, {}, { staleMs: 300_000 });
  const asked = JSON.stringify([since, type, roots]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address alone says what the filter is
  const filter = useMemo(
    (): types.ExecutionFilter => ({
      status: ['FAILED'],
      ...(type && { intentType: type }),
      ...(roots && { rootsOnly: true }),
      createdAfter: new Date(Math.floor(Date.now() / 60_000) * 60_000 - sinceSeconds[since] * 1_000).toISOString(),
    }),
    [asked],
  );
  const found = useQuery({
    queryKey: ['Failures', filter],
    queryFn: ({ signal }) => read(filter, signal),
  });
  useChanges(
    () => void queries.invalidateQueries({ queryKey: ['Failures'] }),
    everyMs,
    (changes) => [...changes.values()].some(({ types: all }) => all.includes('execution.failed')),
  );
  const groups = useMemo(() => groupsOf(found.data?.rows ?? []), [found.data]);
  const isFiltered = type !== undefined || roots !== undefined || search.since !== undefined;
  return (
    <div className="page full">
      <Head title="Failures" below={<Below data={found.data} count={groups.length} />} />
      <Filters
        page="/failures"
        clear={isFiltered ? () => set({ since: undefined, type: undefined, roots: undefined }) : undefined}
      >
        <OneOf<Since>
          label="Created"
          choices={sinceNames}
          chosen={since}
          choose={(id) => set({ since: id === '1d' ? undefined : id })}
          isOn={search.since !== undefined}
        />
        <Several
          label="Intent"
          choices={(names.data?.intentTypes ?? []).map(({ name }) => ({ id: name, name }))}
          chosen={type ?? []}
          choose={(ids) => set({ type: ids })}
        />
        <Toggle isOn={roots ?? false} set={(isOn) => set({ roots: isOn || undefined })}>
          Roots only
        </Toggle>
      </Filters>
      <Body
        groups={groups}
        data={found.data}
        failure={found.error as Failure | null}
        again={() => void found.refetch()}
        sel={sel}
        select={(key) => set({ sel: key })}
      />
    </div>
  );
}

function Below({ data, count }: { data: { rows: Row[]; isCut: boolean } | undefined; count: number }) {
  if (!data) return 'What has failed, by cause';
  if (data.isCut) return `The newest ${data.rows.length} failures of this time, by ${count} causes; there are more`;
  return `${data.rows.length} failures, by ${count} ${count === 1 ? 'cause' : 'causes'}`;
}

interface BodyProps {
  groups: Group<Row>[];
  data: { rows: Row[] } | undefined;
  failure: Failure | null;
  again(): void;
  sel: string | undefined;
  select(key: string | undefined): void;
}

function Body({ groups, data, failure, again, sel, select }: BodyProps) {
  if (!data)
    return failure ? <Failed failure={failure} again={again} what="The list of failures" /> : <Loading lines={8} />;
  const group = groups.find(({ key }) => key === sel);
  return (
    <>
      {failure && <Failed failure={failure} again={again} what="The newest failures" />}
      {groups.length === 0 && !failure && (
        <Empty title="Nothing has failed">In this time, as far as these filters tell.</Empty>
      )}
      {groups.length > 0 && (
        <div className={group ? 'lineage-place with-selected' : 'lineage-place'}>
          <div className="grid-place">
            <Grid
              label="Failures"
              columns={columns}
              rows={groups}
              keyOf={({ key }) => key}
              open={({ key }) => select(key)}
              isOpenedByClick
            />
          </div>
          {group && <Selected group={group} close={() => select(undefined)} />}
        </div>
      )}
    </>
  );
}

const shownRows = 20;

function Selected({ group, close }: { group: Group<Row>; close(): void }) {
  const navigate = useNavigate();
  const [one, other] = group.rows;
  return (
    <Aside title={group.code} close={close}>
      <p className="inside cause">{one?.error?.message ?? group.message}</p>
      <ul className="lines short">
        {group.rows.slice(0, shownRows).map((row) => (
          <li key={row.id}>
            <ExecutionLink id={row.id} />
            <Time at={row.finishedAt ?? row.createdAt} />
          </li>
        ))}
      </ul>
      {group.rows.length > shownRows && (
        <p className="inside muted">
          The newest {shownRows} of {group.rows.length} are shown.
        </p>
      )}
      <div className="inside buttons">
        <Link to="/executions" search={{ status: ['FAILED'], type: [group.type] }} className="action">
          <Icon name="executions" />
          <span>All of {group.type} that failed</span>
        </Link>
        {one && other && (
          <Action icon="compare" onPress={() => void navigate({ to: '/compare', search: { a: one.id, b: other.id } })}>
            Compare the newest two
          </Action>
        )}
      </div>
    </Aside>
  );
}
