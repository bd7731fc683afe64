/** Parts of one execution, as its page and the view that is embedded have them. */
import { type ReactNode, useMemo } from 'react';
import type { types } from '../../api';
import { Head, Id } from '../../parts';
import { Status, waitName } from '../../parts/status';
import { Waterfall } from '../../waterfall';
import { Selected } from './selected';

export type Execution = NonNullable<types.ExecutionQuery['execution']>;

interface TitleProps {
  execution: Execution;
  events: types.EventLineFragment[];
  actions?: ReactNode;
}

/** Its intent, its status and how far it is. */
export function Title({ execution, events, actions }: TitleProps) {
  return (
    <Head
      title={execution.intent.intentType}
      below={
        <>
          <Status of={execution.status} waiting={execution.waitingFor} />
          <Id id={execution.id} />
          {execution.waitingFor && <span>{waitName(execution.waitingFor)}</span>}
          {execution.cancelRequestedAt && !execution.finishedAt && <span>cancellation asked for</span>}
          <Progress events={events} isOver={execution.finishedAt !== null} />
        </>
      }
      actions={actions}
    />
  );
}

export function ErrorNote({ execution: { error, status } }: { execution: Execution }) {
  if (!error || status === 'COMPLETED') return null;
  return (
    <section className="error-note" aria-label="Error">
      <div>
        <code>{error.code}</code>
        <span className="muted">
          attempt {error.attempt}, {error.retryable ? 'another attempt could help' : 'another attempt would not help'}
        </span>
      </div>
      <p>{error.message}</p>
      {error.earlier.length > 0 && (
        <details>
          <summary>
            {error.earlier.length} earlier {error.earlier.length === 1 ? 'error' : 'errors'}
          </summary>
          <ul>
            {error.earlier.map(({ attempt, code, message }) => (
              <li key={attempt}>
                <span className="muted">attempt {attempt}</span> <code>{code}</code> {message}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Progress({ events, isOver }: { events: types.EventLineFragment[]; isOver: boolean }) {
  const last = events.findLast((event) => event.__typename === 'ProgressReported');
  if (isOver || last?.__typename !== 'ProgressReported') return null;
  const percent = Math.round(last.fraction * 100);
  return (
    <span className="progress">
      <progress value={percent} max={100} aria-label="Progress" />
      {percent} % {last.message}
    </span>
  );
}

interface TimelineProps {
  execution: Execution;
  events: types.EventLineFragment[];
  search: { at?: string | undefined; open?: string[] | undefined };
  set(change: { at?: string | undefined; open?: string[] | undefined }): void;
}

export function Timeline({ execution, events, search, set }: TimelineProps) {
  const open = useMemo(() => new Set(search.open), [search.open]);
  return (
    <div className="split">
      <section className="panel" aria-label="Waterfall">
        <Waterfall
          root={{ span: execution, steps: execution.steps, events }}
          open={open}
          setOpen={(next) => set({ open: next.size > 0 ? [...next] : undefined })}
          selected={search.at}
          select={(at) => set({ at })}
        />
      </section>
      {search.at && <Selected at={search.at} execution={execution} close={() => set({ at: undefined })} />}
    </div>
  );
}
