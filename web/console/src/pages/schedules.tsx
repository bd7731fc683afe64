/** The list of schedules, with their next times. */
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { documents, queries, type types, usePages } from '../api';
import { useChanges } from '../live/feed';
import { Head, Icon, ScheduleLink, Time } from '../parts';
import { useChange } from '../parts/address';
import { Several, TextFilter } from '../parts/controls';
import { Filters, TypesFilter } from '../parts/filters';
import type { Column } from '../parts/grid';
import { List } from '../parts/list';
import { useMay } from '../parts/may';
import { ScheduleState, scheduleStatuses, scheduleStatusName } from '../parts/status';
import type { SchedulesSearch } from '../views';
import { timesOf } from './schedule/words';

const route = getRouteApi('/schedules');

type Row = types.ScheduleRowFragment;

const columns: Column<Row>[] = [
  { id: 'status', title: 'Status', width: '100px', cell: ({ status }) => <ScheduleState of={status} /> },
  {
    id: 'name',
    title: 'Schedule',
    width: 'minmax(130px, 1.6fr)',
    cell: ({ id, name, intentType, lastError }) => (
      <div className="two">
        <ScheduleLink id={id}>{name ?? intentType}</ScheduleLink>
        {lastError ? (
          <small className="bad-text">{lastError.message}</small>
        ) : (
          <small className="muted">{intentType}</small>
        )}
      </div>
    ),
  },
  {
    id: 'times',
    title: 'Times',
    width: 'minmax(120px, 1.2fr)',
    from: 'medium',
    cell: (row) => <span className="cut">{timesOf(row)}</span>,
  },
  {
    id: 'next',
    title: 'Next',
    width: '96px',
    cell: ({ status, nextTimes }) =>
      status === 'ACTIVE' ? <Time at={nextTimes[0]} /> : <span className="muted">–</span>,
  },
  { id: 'last', title: 'Last', width: '88px', from: 'medium', cell: ({ lastFiredAt }) => <Time at={lastFiredAt} /> },
  {
    id: 'skipped',
    title: 'Left out',
    width: '76px',
    from: 'wide',
    cell: ({ skippedCount }) => <span className={skippedCount === '0' ? 'num muted' : 'num'}>{skippedCount}</span>,
  },
  {
    id: 'by',
    title: 'Made by',
    width: '120px',
    from: 'wide',
    cell: ({ createdBy }) => <span className="cut">{createdBy}</span>,
  },
];

const everyMs = 2_000;
const renew = () => void queries.invalidateQueries({ queryKey: ['Schedules'] });

export default function Schedules() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<SchedulesSearch>();
  const may = useMay();
  const { status, type, name, session } = search;
  const filter: types.ScheduleFilter = {
    ...(status && { status }),
    ...(type && { intentType: type }),
    ...(name && { name }),
    ...(session && { sessionId: session }),
  };
  const pages = usePages(documents.Schedules, { first: 100, filter }, ({ schedules }) => schedules);
  useChanges(renew, everyMs, (changes) => [...changes.values()].some(({ isNew }) => isNew));
  useNextTime(pages.rows.flatMap((row) => (row.status === 'ACTIVE' ? row.nextTimes : [])));
  const isFiltered = Object.keys(filter).length > 0;
  const clear = () => set({ status: undefined, type: undefined, name: undefined, session: undefined });
  return (
    <div className="page full">
      <Head
        title="Schedules"
        below="Intents that are submitted again and again, at their times"
        actions={may('intents:submit') && <New />}
      />
      <Filters page="/schedules" clear={isFiltered ? clear : undefined}>
        <Several
          label="Status"
          choices={scheduleStatuses.map((id) => ({ id, name: scheduleStatusName(id) }))}
          chosen={status ?? []}
          choose={(ids) => set({ status: scheduleStatuses.filter((one) => ids.includes(one)) })}
        />
        <TypesFilter chosen={type} choose={(ids) => set({ type: ids })} />
        <TextFilter
          label="Name"
          placeholder="Name"
          value={name ?? ''}
          set={(text) => set({ name: text || undefined })}
        />
        <TextFilter
          label="Session"
          placeholder="Session: ses_…"
          value={session ?? ''}
          set={(text) => set({ session: text || undefined })}
        />
      </Filters>
      <List
        label="Schedules"
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        open={({ id }) => void navigate({ to: '/schedules/$id', params: { id } })}
        none={{
          ofFilters: 'No schedule fits these filters',
          title: 'No schedules yet',
          words: 'A schedule submits an intent by a cron expression or at an interval.',
        }}
        clear={isFiltered ? clear : undefined}
      />
    </div>
  );
}

function New() {
  return (
    <Link to="/schedules/new" className="action main">
      <Icon name="plus" />
      <span>Make a schedule</span>
    </Link>
  );
}

/** A time that passes is no event: shortly after the earliest one the list is asked for again. */
function useNextTime(times: string[]) {
  const earliest = times.reduce((least, time) => Math.min(least, Date.parse(time)), Number.POSITIVE_INFINITY);
  useEffect(() => {
    const wait = Math.max(everyMs, earliest - Date.now() + 1_000);
    // Timers of browsers hold no more than 2^31 - 1 ms.
    if (wait > 2_147_483_647) return;
    const timer = setTimeout(renew, wait);
    return () => clearTimeout(timer);
  }, [earliest]);
}
