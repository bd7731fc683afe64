/** Parts of one execution, as its page and the view that is embedded have them. */
import { type ReactNode, useEffect, useMemo } from 'react';
import { documents, keyOf, queries, type types, useAsk } from '../../api';
import { onChanges } from '../../live/feed';
import { Head, Id } from '../../parts';
import { Empty, Ready } from '../../parts/state';
import { Status, waitName } from '../../parts/status';
import { Waterfall } from '../../waterfall';
import { Selected } from './selected';

export type Execution = NonNullable<types.ExecutionQuery['execution']>;

/** An execution by its id, as it changes. */
export function ById({ id, children }: { id: string; children(execution: Execution): ReactNode }) {
  const shown = useAsk(documents.Execution, { id });
  useEffect(
    () =>
      onChanges((changes) => {
        if (changes.has(id)) void queries.invalidateQueries({ queryKey: keyOf(documents.Execution, { id }) });
      }),
    [id],
  );
  return (
    <div className="page" key={id}>
      <Ready shown={shown} what="This execution" lines={10}>
        {({ execution }) =>
          execution ? (
            children(execution)
          ) : (
            <Empty title="There is no such execution">It is absent, no longer kept, or not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

interface TitleProps {
  execution: Execution;
  actions?: ReactNode;
}

/** Its intent, its status and how far it is. */
export function Title({ execution, actions }: TitleProps) {
  return (
    <Head
      title={execution.intent.intentType}
      below={
        <>
          <Status of={execution.status} waiting={execution.waitingFor} />
          <Id id={execution.id} />
          {execution.waitingFor && <span>{waitName(execution.waitingFor)}</span>}
          {execution.cancelRequestedAt && !execution.finishedAt && <span>cancellation asked for</span>}
          <Progress execution={execution} />
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

function Progress({ execution: { progress, finishedAt } }: { execution: Execution }) {
  const last = progress.nodes.at(-1);
  if (finishedAt !== null || last?.__typename !== 'ProgressReported') return null;
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
  search: { at?: string | undefined; open?: string[] | undefined };
  set(change: { at?: string | undefined; open?: string[] | undefined }): void;
}

export function Timeline({ execution, search, set }: TimelineProps) {
  const open = useMemo(() => new Set(search.open), [search.open]);
  return (
    <div className="split">
      <section className="panel" aria-label="Waterfall">
        <Waterfall
          root={execution}
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
