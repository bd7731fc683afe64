/** The tenant's part of the log: entries as they are stored, oldest first, from a time on. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { documents, type types, useAsk, usePages } from '../api';
import { Action, Facts, Head, Id, Stamp, Time, ZoneName } from '../parts';
import { useChange } from '../parts/address';
import { Aside } from '../parts/aside';
import { OneOf, TextFilter } from '../parts/controls';
import { Filters } from '../parts/filters';
import type { Column } from '../parts/grid';
import { Json } from '../parts/json';
import { List } from '../parts/list';
import { type LogSearch, type Since, sinceNames, sinceSeconds } from '../views';

const route = getRouteApi('/log');

type Entry = types.LogQuery['walEntries']['nodes'][number];

const columns: Column<Entry>[] = [
  {
    id: 'at',
    title: (
      <>
        Time (<ZoneName />)
      </>
    ),
    width: '196px',
    cell: ({ occurredAt }) => <Stamp at={occurredAt} />,
  },
  { id: 'type', title: 'Entry', width: 'minmax(130px, 1fr)', cell: ({ type }) => <code>{type}</code> },
  {
    id: 'stream',
    title: 'Stream',
    width: 'minmax(150px, 1fr)',
    from: 'medium',
    cell: ({ streamId }) => (
      <Link to="/go/$id" params={{ id: streamId }}>
        <code>{streamId}</code>
      </Link>
    ),
  },
  {
    id: 'sequence',
    title: '#',
    width: '56px',
    from: 'wide',
    cell: ({ sequence }) => <span className="num muted">{sequence}</span>,
  },
  {
    id: 'actor',
    title: 'By',
    width: '120px',
    from: 'wide',
    cell: ({ actor }) => <span className="cut muted">{actor ?? 'runtime'}</span>,
  },
];

export default function Log() {
  const search = route.useSearch();
  const set = useChange<LogSearch>();
  const since = search.since ?? '1h';
  const { stream, session, type } = search;
  const asked = JSON.stringify([stream, session, type, since]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address alone says what the filter is
  const filter = useMemo(
    (): types.WalFilter => ({
      ...(stream && { streamId: stream }),
      ...(session && { sessionId: session }),
      ...(type && { types: type }),
      createdAfter: new Date(Math.floor(Date.now() / 60_000) * 60_000 - sinceSeconds[since] * 1_000).toISOString(),
    }),
    [asked],
  );
  const pages = usePages(documents.Log, { first: 100, filter }, ({ walEntries }) => walEntries);
  const checkpoint = useAsk(documents.Checkpoint, {});
  const last = checkpoint.data?.logCheckpoint;
  const entry = pages.rows.find(({ id }) => id === search.sel);
  return (
    <div className="page full">
      <Head
        title="Log"
        below={
          <>
            <span>Every change of the tenant, in one order, oldest first</span>
            {last && (
              <span>
                Signed to entry {last.entries}, <Time at={last.signedAt} />
              </span>
            )}
          </>
        }
        actions={
          <Action icon="again" onPress={pages.again}>
            Read again
          </Action>
        }
      />
      <Filters page="/log">
        <OneOf<Since>
          label="From"
          choices={sinceNames}
          chosen={since}
          choose={(id) => set({ since: id === '1h' ? undefined : id })}
          isOn={search.since !== undefined}
        />
        <TextFilter
          label="Stream"
          placeholder="Stream: exe_… ses_…"
          value={stream ?? ''}
          set={(text) => set({ stream: text || undefined })}
        />
        <TextFilter
          label="Session"
          placeholder="Session: ses_…"
          value={session ?? ''}
          set={(text) => set({ session: text || undefined })}
        />
        <TextFilter
          label="Types"
          placeholder="execution.failed, …"
          value={type?.join(',') ?? ''}
          set={(text) => set({ type: text ? text.split(/[\s,]+/) : undefined })}
        />
      </Filters>
      <div className={entry ? 'lineage-place with-selected' : 'lineage-place'}>
        <List
          label="Log"
          pages={pages}
          columns={columns}
          keyOf={({ id }) => id}
          open={({ id }) => set({ sel: id })}
          isOpenedByClick
          none={{ title: 'No entries in this time', words: 'Choose an earlier beginning, or fewer conditions.' }}
        />
        {entry && (
          <Aside title={entry.type} close={() => set({ sel: undefined })}>
            <Facts
              of={[
                ['When', <Time key="at" at={entry.occurredAt} isWhole />],
                ['By', entry.actor ?? 'runtime'],
                ['Stream', <Id key="stream" id={entry.streamId} />],
                ['Place', entry.sequence],
              ]}
            />
            <Json value={entry.data} name="data" />
          </Aside>
        )}
      </div>
    </div>
  );
}
