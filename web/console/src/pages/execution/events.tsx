/** The events of an execution, each with what it says. */
import type { ReactNode } from 'react';
import type { EventLine } from '../../live/events';
import { ArtifactLink, ExecutionLink, Stamp, ZoneName } from '../../parts';
import { type Column, Grid } from '../../parts/grid';
import { Empty, Loading } from '../../parts/state';

interface Props {
  events: EventLine[];
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore(): void;
}

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

export function Events({ events, hasMore, isLoadingMore, loadMore }: Props) {
  if (events.length === 0) return <Empty title="No events are kept" />;
  return (
    <div className="grid-place tall">
      <Grid
        label="Events"
        columns={columns}
        rows={events}
        keyOf={({ id }) => id}
        hasMore={hasMore}
        isLoadingMore={isLoadingMore}
        loadMore={loadMore}
        more={isLoadingMore && <Loading lines={2} />}
      />
    </div>
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
