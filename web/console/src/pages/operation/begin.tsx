/**
 * Begins a bulk operation of what a page shows. First the server is asked what it would change, without changing it; that
 * is said, and once it is confirmed the operation begins and its page is opened.
 */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useId, useState } from 'react';
import { ask, documents, queries, refuse, type types } from '../../api';
import { Action, type ActionProps, Icon } from '../../parts';
import { Field } from '../../parts/controls';
import { Asking, Buttons, Fault } from '../../parts/dialog';
import { ArtifactLines, ExecutionLines } from '../../parts/lines';
import { useMay } from '../../parts/may';
import { mayBegin } from '../../parts/scopes';
import { Failed, Loading } from '../../parts/state';
import { executionStatuses } from '../../parts/status';
import { changes, counted, leftOut, numbered, type Total } from './words';

interface Asked {
  dryRun: boolean;
  reason: string | null;
}

interface Answer {
  operation: { id: string } | null;
  preview: { matched: Total; first: ReactNode } | null;
}

/** A change that is offered. */
interface Change {
  kind: types.OperationKind;
  filter: types.ExecutionFilter | types.ArtifactFilter;
  /** The filter names states. */
  hasStates: boolean;
  /** The number of what the filter shows, whatever its state. */
  shown(signal: AbortSignal): Promise<Total>;
  ask(asked: Asked): Promise<Answer>;
}

/** What the server is told to change: a filter that says nothing has to be meant. */
const wanted = <Filter extends object>(filter: Filter) => (Object.keys(filter).length > 0 ? { filter } : { all: true });

const shownFirst = 4;

function FirstExecutions({ rows }: { rows: readonly types.ExecutionRowFragment[] }) {
  return (
    <ExecutionLines
      rows={rows.slice(0, shownFirst)}
      none=""
      says={({ status, error, id }) => (status === 'FAILED' && error ? `${error.code}: ${error.message}` : id)}
    />
  );
}

const executionsTotal = (filter: types.ExecutionFilter) => async (signal: AbortSignal) => {
  const { data } = await ask(documents.ExecutionsTotal, { filter }, { signal });
  return data.executions.totalCount;
};

function cancels(filter: types.ExecutionFilter): Change {
  return {
    kind: 'CANCEL_EXECUTIONS',
    filter,
    hasStates: Boolean(filter.status),
    shown: executionsTotal(filter),
    async ask(asked) {
      const { data } = await ask(documents.CancelExecutions, { input: { ...wanted(filter), ...asked } });
      const { operation, preview, errors } = data.cancelExecutions;
      refuse(errors);
      return {
        operation,
        preview: preview && { matched: preview.matched, first: <FirstExecutions rows={preview.executions} /> },
      };
    },
  };
}

function reruns(filter: types.ExecutionFilter): Change {
  return {
    kind: 'RERUN_EXECUTIONS',
    filter,
    hasStates: Boolean(filter.status),
    shown: executionsTotal(filter),
    async ask({ dryRun }) {
      const { data } = await ask(documents.RerunExecutions, { input: { ...wanted(filter), dryRun } });
      const { operation, preview, errors } = data.rerunExecutions;
      refuse(errors);
      return {
        operation,
        preview: preview && { matched: preview.matched, first: <FirstExecutions rows={preview.executions} /> },
      };
    },
  };
}

function archives(filter: types.ArtifactFilter): Change {
  return {
    kind: 'ARCHIVE_ARTIFACTS',
    filter,
    hasStates: Boolean(filter.lifecycleState),
    async shown(signal) {
      const { data } = await ask(documents.ArtifactsTotal, { filter }, { signal });
      return data.artifacts.totalCount;
    },
    async ask(asked) {
      const { data } = await ask(documents.ArchiveArtifacts, { input: { ...wanted(filter), ...asked } });
      const { operation, preview, errors } = data.archiveArtifacts;
      refuse(errors);
      return {
        operation,
        preview: preview && {
          matched: preview.matched,
          first: <ArtifactLines rows={preview.artifacts.slice(0, shownFirst)} none="" />,
        },
      };
    },
  };
}

/** Cancel and run again all of a list of executions, as far as its filter shows what that can be done with. */
export function OfExecutions({ filter }: { filter: types.ExecutionFilter }) {
  const may = useMay();
  if (!mayBegin(may, 'executions:control', 'executions:read')) return null;
  const states = filter.status ?? executionStatuses;
  const isLive = (state: types.ExecutionStatus) => state === 'CREATED' || state === 'RUNNING';
  return (
    <>
      {states.some(isLive) && <Begin name="Cancel all that match" icon="stop" kind="danger" change={cancels(filter)} />}
      {states.some((state) => !isLive(state)) && <Begin name="Run all again" icon="again" change={reruns(filter)} />}
    </>
  );
}

/** Runs all of a group of failures again. */
export function OfFailures({ filter }: { filter: types.ExecutionFilter }) {
  const may = useMay();
  if (!mayBegin(may, 'executions:control', 'executions:read')) return null;
  return <Begin name="Run all again" icon="again" change={reruns(filter)} />;
}

/** Archives all of a list of artifacts. */
export function OfArtifacts({ filter }: { filter: types.ArtifactFilter }) {
  const may = useMay();
  if (!mayBegin(may, 'artifacts:write', 'artifacts:read')) return null;
  if (filter.lifecycleState && !filter.lifecycleState.includes('READY')) return null;
  return <Begin name="Archive all that match" icon="stop" change={archives(filter)} />;
}

const titles: Record<types.OperationKind, string> = {
  CANCEL_EXECUTIONS: 'Cancel all that match?',
  RERUN_EXECUTIONS: 'Run all again?',
  ARCHIVE_ARTIFACTS: 'Archive all that match?',
};

interface BeginProps extends Pick<ActionProps, 'icon' | 'kind'> {
  name: string;
  change: Change;
}

function Begin({ name, change, ...button }: BeginProps) {
  return (
    <Asking title={titles[change.kind]} button={<Action {...button}>{name}</Action>}>
      {(close) => <Preview change={change} close={close} />}
    </Asking>
  );
}

/** What it would change, as the server counts it now. */
function Preview({ change, close }: { change: Change; close(): void }) {
  const opening = useId();
  const found = useQuery({
    queryKey: ['dry run', opening, change.kind],
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const [{ preview }, shown] = await Promise.all([
        change.ask({ dryRun: true, reason: null }),
        // Without the number of the others, what they are is not said.
        change.shown(signal).catch(() => undefined),
      ]);
      if (!preview) throw new Error('The server has not said what it would change.');
      return { ...preview, shown };
    },
  });
  if (found.error)
    return (
      <>
        <Failed failure={found.error} again={() => void found.refetch()} what="What it would change" />
        <div className="buttons">
          <Action onPress={close}>Not now</Action>
        </div>
      </>
    );
  if (!found.data) return <Loading lines={3} />;
  return <Counted change={change} {...found.data} close={close} />;
}

interface CountedProps {
  change: Change;
  matched: Total;
  first: ReactNode;
  shown: Total | undefined;
  close(): void;
}

function Counted({ change, matched, first, shown, close }: CountedProps) {
  const { kind, filter, hasStates } = change;
  const others = leftOut({ kind, matched, shown, hasStates });
  if (matched.count === 0)
    return (
      <>
        <p role="status">Nothing is there that it would change.</p>
        {others && <p className="muted">{others}</p>}
        <div className="buttons">
          <Action kind="main" onPress={close}>
            Close
          </Action>
        </div>
      </>
    );
  return (
    <>
      <p role="status">
        <b>{counted(kind, matched)}</b> {says(kind, matched)}
      </p>
      {others && <p className="muted">{others}</p>}
      {Object.keys(filter).length === 0 && (
        <div className="note">
          <Icon name="warning" />
          <span>No filter is set: it is about all {changes[kind].many} that you may change.</span>
        </div>
      )}
      {kind === 'RERUN_EXECUTIONS' && !('rootsOnly' in filter) && (
        <p className="muted">
          Executions that another one has submitted are run again by themselves. With the filter “Roots only” just those
          are that no other one has submitted.
        </p>
      )}
      <section className="first" aria-label="What it is about">
        <h3>{matched.count > shownFirst ? `The oldest ${shownFirst} of them` : 'What it is about'}</h3>
        {first}
      </section>
      <Confirmed change={change} matched={matched} close={close} />
    </>
  );
}

function says(kind: types.OperationKind, { count, exact }: Total): string {
  const isOne = count === 1 && exact;
  if (kind === 'CANCEL_EXECUTIONS')
    return `would be cancelled, with all that ${isOne ? 'it has' : 'they have'} submitted. What handlers have done outside stays done.`;
  if (kind === 'RERUN_EXECUTIONS')
    return `would be run again${isOne ? '' : ', each'} as a new execution with the same parameters. What handlers have done outside is done again.`;
  return `would be archived. ${isOne ? 'It still resolves' : 'They still resolve'}, and can be brought back.`;
}

function yesOf(kind: types.OperationKind, matched: Total): string {
  const what = matched.exact ? counted(kind, matched) : 'them';
  if (kind === 'CANCEL_EXECUTIONS') return `Cancel ${what}`;
  if (kind === 'ARCHIVE_ARTIFACTS') return `Archive ${what}`;
  return `Run ${matched.exact ? numbered(matched.count) : 'them'} again`;
}

/** Begins it. What the server refuses is said in the dialog, which stays open then. */
function Confirmed({ change, matched, close }: Pick<CountedProps, 'change' | 'matched' | 'close'>) {
  const navigate = useNavigate();
  const [reason, setReason] = useState('');
  const begin = useMutation({
    mutationFn: async () => {
      const { operation } = await change.ask({ dryRun: false, reason: reason.trim() || null });
      if (!operation) throw new Error('The server has not begun it.');
      return operation.id;
    },
    onSuccess(id) {
      void queries.invalidateQueries({ queryKey: [documents.Operations.name] });
      close();
      void navigate({ to: '/operations/$id', params: { id } });
    },
  });
  return (
    <>
      {change.kind === 'RERUN_EXECUTIONS' ? (
        <Fault>{begin.error?.message}</Fault>
      ) : (
        <Field
          label="Reason"
          value={reason}
          set={setReason}
          help="Kept with each of them, and in the log."
          fault={begin.error?.message}
        />
      )}
      <Buttons
        yes={yesOf(change.kind, matched)}
        no="Not now"
        isOff={begin.isPending}
        close={close}
        run={() => begin.mutate()}
      />
    </>
  );
}
