/** The events of an execution, each with what it says. */
import type { ReactNode } from 'react';
import { knownEvents } from '../../events';
import { type EventLine, useEvents } from '../../live/events';
import { Action, ArtifactLink, ExecutionLink, Stamp, ZoneName } from '../../parts';
import { OneOf, Several } from '../../parts/controls';
import { type Column, Grid } from '../../parts/grid';
import { Empty, Failed, Loading } from '../../parts/state';
import type { ExecutionSearch } from '../../views';

const columns: Column<EventLine>[] = [
  { id: 'sequence', title: '#', width: '56px', cell: ({ sequence }) => <span className="num muted">{sequence}</span> },
  {
    id: 'at',
    title: (
      <>
        Time (<ZoneName />)
      </>
    ),
    width: '196px',
    from: 'medium',
    cell: ({ occurredAt }) => <Stamp at={occurredAt} />,
  },
  {
    id: 'type',
    title: 'Event',
    width: 'minmax(150px, 1fr)',
    cell: ({ type }) => <code className={toneOf(type)}>{type}</code>,
  },
  {
    id: 'says',
    title: 'Says',
    width: 'minmax(110px, 2fr)',
    cell: (event) => <span className="cut">{says(event)}</span>,
  },
  {
    id: 'actor',
    title: 'By',
    width: '120px',
    from: 'wide',
    cell: ({ actor }) => <span className="muted cut">{actor ?? 'runtime'}</span>,
  },
];

const toneOf = (type: string) => (/failed|retrying/.test(type) ? 'bad-text' : '');

const types = knownEvents.map((id) => ({ id, name: id }));

interface Props {
  id: string;
  search: Pick<ExecutionSearch, 'type' | 'order'>;
  set(change: Pick<ExecutionSearch, 'type' | 'order'>): void;
}

export function Events({ id, search, set }: Props) {
  const events = useEvents(id, { types: search.type, isOldestFirst: search.order === 'oldest' });
  return (
    <>
      <search className="filters inside-tab">
        <Several label="Type" choices={types} chosen={search.type ?? []} choose={(ids) => set({ type: ids })} />
        <OneOf
          label="Order"
          choices={orders}
          chosen={search.order ?? 'newest'}
          choose={(order) => set({ order: order === 'oldest' ? order : undefined })}
          isOn={search.order !== undefined}
        />
      </search>
      <Body events={events} isFiltered={search.type !== undefined} />
    </>
  );
}

const orders: { id: 'newest' | 'oldest'; name: string }[] = [
  { id: 'newest', name: 'newest first' },
  { id: 'oldest', name: 'oldest first' },
];

function Body({ events, isFiltered }: { events: ReturnType<typeof useEvents>; isFiltered: boolean }) {
  if (!events.isThere)
    return events.failure ? <Failed failure={events.failure} again={events.again} what="The events" /> : <Loading />;
  const failed = events.failure && <Failed failure={events.failure} again={events.again} what="More events" />;
  if (events.events.length === 0) {
    if (failed) return failed;
    if (!events.hasMore) return <Empty title={isFiltered ? 'No event of these types' : 'No events are kept'} />;
    return (
      <Empty title="Nothing found so far">
        The server has looked at a part of the events. <Action onPress={events.loadMore}>Look further</Action>
      </Empty>
    );
  }
  return (
    <>
      {failed}
      <div className="grid-place tall">
        <Grid
          label="Events"
          columns={columns}
          rows={events.events}
          keyOf={(event) => event.id}
          hasMore={events.hasMore}
          isLoadingMore={events.isLoadingMore}
          loadMore={events.loadMore}
          more={events.isLoadingMore && <Loading lines={2} />}
        />
      </div>
    </>
  );
}

/** What an event says besides its type. */
function says(event: EventLine): ReactNode {
  switch (event.__typename) {
    case 'ExecutionStarted':
      return `attempt ${event.attempt} on ${event.nodeId}`;
    case 'ExecutionRetrying':
      return `attempt ${event.attempt} ended: ${event.error.code}: ${event.error.message}`;
    case 'ExecutionFailed':
      return `${event.error.code}: ${event.error.message}`;
    case 'ExecutionCancelled':
    case 'CancelRequested':
      return event.reason;
    case 'StepCompleted':
      return `${event.name}, in attempt ${event.attempt}`;
    case 'ProgressReported':
      return `${Math.round(event.fraction * 100)} %${event.message ? `: ${event.message}` : ''}`;
    case 'ChildSubmitted':
      return event.child && <ExecutionLink id={event.child.id}>{event.child.intent.intentType}</ExecutionLink>;
    case 'ArtifactRegistered':
      return (
        event.artifact && (
          <ArtifactLink
            id={event.artifact.id}
          >{`${event.artifact.artifactType} ${event.artifact.displayName ?? ''}`}</ArtifactLink>
        )
      );
    case 'ArtifactTransitioned':
      return `${event.from} to ${event.to}`;
    case 'ExecutionStateChanged':
      return `version ${event.version}`;
    case 'DomainEvent':
      return JSON.stringify(event.payload)?.slice(0, 200);
    default:
      return null;
  }
}
