/** What has failed, by cause: the groups of the server, and of the one that is selected its newest failures. */
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { documents, queries, type types, useAsk } from '../api';
import { type Group as Cause, groupsOf } from '../failures/groups';
import { useChanges } from '../live/feed';
import { Action, ExecutionLink, Head, Icon, Time } from '../parts';
import { useChange } from '../parts/address';
import { Aside } from '../parts/aside';
import { OneOf, Toggle } from '../parts/controls';
import { Filters, TypesFilter } from '../parts/filters';
import { type Column, Grid } from '../parts/grid';
import { Empty, Ready } from '../parts/state';
import { type FailuresSearch, type Since, sinceNames, sinceSeconds } from '../views';
import { OfFailures } from './operation/begin';

const route = getRouteApi('/failures');

type Group = types.FailureGroupsQuery['failureGroups'][number];

/** So many groups are shown: those with the most failures. */
const mostGroups = 200;
/** So many failures of a group are read: the newest ones. */
const mostRead = 100;
const everyMs = 3_000;

const keyOf = ({ intentType, errorCode }: Group) => `${intentType}:${errorCode}`;
const counted = (count: number, one: string, many: string) =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

const columns: Column<Group>[] = [
  {
    id: 'count',
    title: 'Failures',
    width: '80px',
    cell: ({ count }) => <b className="num">{Number(count).toLocaleString('en')}</b>,
  },
  {
    id: 'cause',
    title: 'Code and intent',
    width: 'minmax(130px, 2fr)',
    cell: ({ errorCode, intentType }) => (
      <div className="two">
        <code className="bad-text">{errorCode}</code>
        <small className="muted">{intentType}</small>
      </div>
    ),
  },
  { id: 'first', title: 'First', width: '88px', from: 'wide', cell: ({ firstAt }) => <Time at={firstAt} /> },
  { id: 'last', title: 'Last', width: '88px', cell: ({ lastAt }) => <Time at={lastAt} /> },
];

export default function Failures() {
  const search = route.useSearch();
  const set = useChange<FailuresSearch>();
  const { since = '1d', type, roots } = search;
  const asked = JSON.stringify([since, type, roots]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address alone says what the filter is
  const filter = useMemo(
    (): types.ExecutionStatsFilter => ({
      ...(type && { intentType: type }),
      ...(roots && { rootsOnly: true }),
      after: new Date(Math.floor(Date.now() / 60_000) * 60_000 - sinceSeconds[since] * 1_000).toISOString(),
    }),
    [asked],
  );
  const shown = useAsk(documents.FailureGroups, { filter, first: mostGroups }, { keepsFormer: true });
  useChanges(
    () => void queries.invalidateQueries({ queryKey: ['FailureGroups'] }),
    everyMs,
    (changes) => [...changes.values()].some(({ types: all }) => all.includes('execution.failed')),
  );
  const isFiltered = type !== undefined || roots !== undefined || search.since !== undefined;
  return (
    <div className="page full">
      <Head title="Failures" below={<Below groups={shown.data?.failureGroups} />} />
      <Filters
        page="/failures"
        clear={isFiltered ? () => set({ since: undefined, type: undefined, roots: undefined }) : undefined}
      >
        <OneOf<Since>
          label="Failed"
          choices={sinceNames}
          chosen={since}
          choose={(id) => set({ since: id === '1d' ? undefined : id })}
          isOn={search.since !== undefined}
        />
        <TypesFilter chosen={type} choose={(ids) => set({ type: ids })} />
        <Toggle isOn={roots ?? false} set={(isOn) => set({ roots: isOn || undefined })}>
          Roots only
        </Toggle>
      </Filters>
      <Ready shown={shown} what="The list of failures" lines={8}>
        {({ failureGroups }) => (
          <Body groups={failureGroups} filter={filter} search={search} select={(sel) => set({ sel })} />
        )}
      </Ready>
    </div>
  );
}

function Below({ groups }: { groups: Group[] | undefined }) {
  if (!groups) return 'What has failed, by cause';
  const failures = groups.reduce((sum, { count }) => sum + Number(count), 0);
  if (groups.length === mostGroups) return `The ${mostGroups} causes with the most failures; there may be more`;
  return `${counted(failures, 'failure', 'failures')}, by ${counted(groups.length, 'cause', 'causes')}`;
}

interface BodyProps {
  groups: Group[];
  filter: types.ExecutionStatsFilter;
  search: FailuresSearch;
  select(key: string | undefined): void;
}

function Body({ groups, filter, search, select }: BodyProps) {
  if (groups.length === 0) return <Empty title="Nothing has failed">In this time, as far as these filters tell.</Empty>;
  const group = groups.find((one) => keyOf(one) === search.sel);
  return (
    <div className={group ? 'lineage-place with-selected' : 'lineage-place'}>
      <div className="grid-place">
        <Grid
          label="Failures"
          columns={columns}
          rows={groups}
          keyOf={keyOf}
          open={(one) => select(keyOf(one))}
          isOpenedByClick
        />
      </div>
      {group && <Selected group={group} filter={filter} search={search} close={() => select(undefined)} />}
    </div>
  );
}

interface SelectedProps {
  group: Group;
  filter: types.ExecutionStatsFilter;
  search: FailuresSearch;
  close(): void;
}

/** Its newest failures. Those that differ in ids, numbers and quoted values alone are told together. */
function Selected({ group, filter, search: { since = '1d', roots }, close }: SelectedProps) {
  const { intentType, errorCode, count } = group;
  const ofGroup: types.ExecutionFilter = {
    status: ['FAILED'],
    intentType: [intentType],
    errorCode: [errorCode],
    finishedAfter: filter.after,
    ...(roots && { rootsOnly: true }),
  };
  const variables: types.ExecutionsQueryVariables = {
    first: mostRead,
    filter: ofGroup,
    orderBy: 'LAST_FINISHED_FIRST',
  };
  const shown = useAsk(documents.Executions, variables);
  // Another count means that there are newer ones.
  useChanges(
    () => void queries.invalidateQueries({ queryKey: [documents.Executions.name, variables] }),
    everyMs,
    (changes) => [...changes.values()].some(({ types: all }) => all.includes('execution.failed')),
  );
  return (
    <Aside title={errorCode} close={close}>
      <Ready shown={shown} what="Its failures">
        {({ executions: { nodes, pageInfo } }) => (
          <>
            {nodes.length === 0 && <p className="inside muted">Its executions are no longer kept.</p>}
            {groupsOf(nodes).map((cause) => (
              <Messages key={cause.key} cause={cause} />
            ))}
            {pageInfo.hasNextPage && (
              <p className="inside muted">
                The newest {nodes.length} of {Number(count).toLocaleString('en')} are looked at.
              </p>
            )}
            <Ways group={group} since={since} roots={roots} rows={nodes} filter={ofGroup} />
          </>
        )}
      </Ready>
    </Aside>
  );
}

type Row = types.ExecutionRowFragment;

const shownRows = 5;

function Messages({ cause: { rows, message } }: { cause: Cause<Row> }) {
  return (
    <section>
      <p className="inside cause">{rows[0]?.error?.message ?? message}</p>
      <ul className="lines short">
        {rows.slice(0, shownRows).map((row) => (
          <li key={row.id}>
            <ExecutionLink id={row.id} />
            <Time at={row.finishedAt ?? row.createdAt} />
          </li>
        ))}
      </ul>
      {rows.length > shownRows && <p className="inside muted">and {rows.length - shownRows} more with this message</p>}
    </section>
  );
}

interface WaysProps {
  group: Group;
  since: Since;
  roots: true | undefined;
  rows: readonly Row[];
  filter: types.ExecutionFilter;
}

function Ways({ group: { intentType, errorCode }, since, roots, rows: [one, other], filter }: WaysProps) {
  const navigate = useNavigate();
  return (
    <div className="inside buttons">
      <Link
        to="/executions"
        search={{ status: ['FAILED'], type: [intentType], code: [errorCode], finished: since, roots, order: 'ended' }}
        className="action"
      >
        <Icon name="executions" />
        <span>All of them</span>
      </Link>
      {one && other && (
        <Action icon="compare" onPress={() => void navigate({ to: '/compare', search: { a: one.id, b: other.id } })}>
          Compare the newest two
        </Action>
      )}
      {one && <OfFailures filter={filter} />}
    </div>
  );
}
