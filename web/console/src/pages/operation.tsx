/** One bulk operation: what it changes, how far it is, and what was refused. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { ask, documents, keyOf, queries, refuse, type types, useAsk } from '../api';
import { useEvery } from '../live/every';
import { Facts, Head, Icon, Id, Lasting, Panel, shortened, Time } from '../parts';
import { Confirm } from '../parts/dialog';
import { useMay } from '../parts/may';
import { Empty, Ready } from '../parts/state';
import { Table } from '../parts/table';
import { OperationState, ProgressBar } from './operation/shown';
import { type Condition, changes, conditionsOf, counted, numbered } from './operation/words';

const route = getRouteApi('/operations/$id');

type Operation = NonNullable<types.OperationQuery['operation']>;

const everyMs = 1_000;

export default function OperationPage() {
  const { id } = route.useParams();
  const shown = useAsk(documents.Operation, { id });
  useEvery(documents.Operation.name, shown.data?.operation?.status === 'RUNNING' ? everyMs : undefined);
  return (
    <div className="page" key={id}>
      <Ready shown={shown} what="This operation" lines={10}>
        {({ operation }) =>
          operation ? (
            <Shown operation={operation} />
          ) : (
            <Empty title="There is no such operation">It is absent, no longer kept, or not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

function Shown({ operation }: { operation: Operation }) {
  const { id, kind, status, error, createdBy, createdAt } = operation;
  return (
    <>
      <Head
        title={changes[kind].name}
        below={
          <>
            <OperationState of={status} />
            <Id id={id} />
            <span>
              begun by {createdBy}, <Time at={createdAt} />
            </span>
          </>
        }
        actions={<Actions operation={operation} />}
      />
      {error && (
        <section className="error-note" aria-label="Error">
          <div>
            <b>It could not go on</b>
          </div>
          <p>{error}</p>
        </section>
      )}
      <Panel title="How far it is">
        <div className="inside">
          <ProgressBar of={operation} isWide />
        </div>
        <Counts operation={operation} />
      </Panel>
      <div className="columns">
        <Panel title="What it changes">
          <Conditions of={operation} />
        </Panel>
        <Panel title="Facts">
          <Facts of={facts(operation)} />
        </Panel>
      </div>
      <Refusals operation={operation} />
    </>
  );
}

function Actions({ operation: { id, kind, status, createdAt } }: { operation: Operation }) {
  const may = useMay();
  const mayStop = may(kind === 'ARCHIVE_ARTIFACTS' ? 'artifacts:write' : 'executions:control');
  return (
    <>
      {may('log:read') && (
        <Link to="/log" search={{ stream: id, since: sinceOf(createdAt) }} className="action">
          <Icon name="log" />
          <span>Its entries in the log</span>
        </Link>
      )}
      {status === 'RUNNING' && mayStop && <Stop id={id} />}
    </>
  );
}

/** The shortest time of the log's that reaches back to a moment. */
function sinceOf(at: string) {
  const age = Date.now() - Date.parse(at);
  if (age < 3_000_000) return '1h';
  if (age < 80_000_000) return '1d';
  return age < 600_000_000 ? '7d' : '30d';
}

function Stop({ id }: { id: string }) {
  async function stop(reason: string | null) {
    try {
      const { data } = await ask(documents.CancelOperation, { input: { id, reason } });
      refuse(data.cancelOperation.errors);
    } finally {
      void queries.invalidateQueries({ queryKey: keyOf(documents.Operation, { id }) });
      void queries.invalidateQueries({ queryKey: [documents.Operations.name] });
    }
  }
  return (
    <Confirm
      icon="stop"
      kind="danger"
      name="Stop"
      title="Stop this operation?"
      words="What it has changed stays so. At most 100 more are changed, which are under way."
      yes="Stop it"
      no="Let it go on"
      reasonHelp="Kept in the log."
      run={stop}
    />
  );
}

function Counts({ operation }: { operation: Operation }) {
  const { kind, doneCount, skippedCount, refusedCount } = operation;
  return (
    <Facts
      of={[
        [changes[kind].done, <Count key="done" of={doneCount} />],
        ['Nothing to do any more', <Count key="skipped" of={skippedCount} />],
        ['Refused', <Count key="refused" of={refusedCount} isBad />],
      ]}
    />
  );
}

function Count({ of, isBad = false }: { of: string; isBad?: boolean }) {
  return <strong className={isBad && of !== '0' ? 'big num bad-text' : 'big num'}>{numbered(of)}</strong>;
}

function Conditions({ of: { kind, filter } }: { of: Operation }) {
  const conditions = conditionsOf(kind, filter);
  return (
    <>
      {conditions.length > 0 ? (
        <Facts of={conditions.map((one) => [one.name, <Said key={one.name} of={one} />])} />
      ) : (
        <p className="inside">All {changes[kind].many} of whoever began it.</p>
      )}
      <p className="inside muted">Of what was there when it began, oldest first. What has come since is left alone.</p>
    </>
  );
}

function Said({ of: { says, at, id } }: { of: Condition }) {
  if (at) return <Time at={at} isWhole />;
  if (!id) return <>{says}</>;
  return (
    <Link to="/go/$id" params={{ id }} title={id}>
      <code>{shortened(id)}</code>
    </Link>
  );
}

function facts(operation: Operation): Parameters<typeof Facts>[0]['of'] {
  const { kind, expectedCount, reason, createdAt, updatedAt, finishedAt } = operation;
  return [
    ['Fitted when it began', counted(kind, expectedCount)],
    ['Begun', <Time key="begun" at={createdAt} isWhole />],
    finishedAt
      ? ['Ended', <Time key="ended" at={finishedAt} isWhole />]
      : ['Last went on', <Time key="updated" at={updatedAt} />],
    ['Has taken', <Lasting key="lasting" from={createdAt} to={finishedAt} />],
    ...(reason ? [['Reason', reason] as [string, string]] : []),
  ];
}

function Refusals({ operation: { refusals, refusedCount } }: { operation: Operation }) {
  if (refusals.length === 0) return null;
  return (
    <Panel title="What was refused">
      <Table
        label="Refusals"
        columns={[
          {
            title: 'Of what',
            cell: ({ itemId }) => (
              <Link to="/go/$id" params={{ id: itemId }} title={itemId}>
                <code>{shortened(itemId)}</code>
              </Link>
            ),
          },
          { title: 'Code', cell: ({ code }) => <code className="bad-text">{code}</code> },
          { title: 'Why', cell: ({ message }) => <div className="side-cell">{message}</div> },
        ]}
        rows={refusals}
        keyOf={({ itemId }) => itemId}
        more={
          Number(refusedCount) > refusals.length &&
          `The first ${refusals.length} of ${numbered(refusedCount)} are shown.`
        }
      />
    </Panel>
  );
}
