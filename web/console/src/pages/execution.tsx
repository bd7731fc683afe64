/** One execution: its timeline, events, data and artifacts, as they come. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { documents, useAsk } from '../api';
import {
  ArtifactLink,
  ExecutionLink,
  Facts,
  Lasting,
  Panel,
  ScheduleLink,
  SessionLink,
  shortened,
  Time,
} from '../parts';
import { useChange } from '../parts/address';
import { Json } from '../parts/json';
import { Payload } from '../parts/payload';
import { Empty, Ready } from '../parts/state';
import { ArtifactState } from '../parts/status';
import { Table, type TableColumn } from '../parts/table';
import { Parts } from '../parts/tabs';
import type { ExecutionSearch } from '../views';
import { Actions } from './execution/actions';
import { Events } from './execution/events';
import { ById, ErrorNote, type Execution, Timeline, Title } from './execution/shown';
import { rerunBy } from './operation/words';
import { firedBy } from './schedule/words';

const route = getRouteApi('/executions/$id');

export default function ExecutionPage() {
  return <ById id={route.useParams().id}>{(execution) => <Shown execution={execution} />}</ById>;
}

function Shown({ execution }: { execution: Execution }) {
  const search = route.useSearch();
  const set = useChange<ExecutionSearch>();
  return (
    <>
      <Title execution={execution} actions={<Actions execution={execution} />} />
      <ErrorNote execution={execution} />
      <section className="panel" aria-label="Facts">
        <Facts of={facts(execution)} />
      </section>
      <Parts
        label="Parts of the execution"
        chosen={search.tab ?? 'timeline'}
        choose={(tab) =>
          set({ tab: tab === 'timeline' ? undefined : tab, at: undefined, type: undefined, order: undefined })
        }
        of={[
          {
            id: 'timeline',
            name: 'Timeline',
            content: <Timeline execution={execution} search={search} set={set} />,
          },
          {
            id: 'events',
            name: 'Events',
            content: <Events id={execution.id} search={search} set={set} />,
          },
          { id: 'data', name: 'Input and result', content: <Data execution={execution} /> },
          {
            id: 'artifacts',
            name: 'Artifacts',
            count: `${execution.artifacts.nodes.length}${execution.artifacts.pageInfo.hasNextPage ? '+' : ''}`,
            content: <Artifacts execution={execution} />,
          },
        ]}
      />
    </>
  );
}

type Fact = [string, React.ReactNode];

function facts(execution: Execution): Fact[] {
  const { intent, parent, rerunOf, runAt, deadlineAt } = execution;
  const fired = firedBy(intent.idempotencyKey);
  const operation = rerunBy(intent.idempotencyKey);
  const found: (Fact | false | null | undefined | '')[] = [
    ['Created', <Time key="created" at={execution.createdAt} isWhole />],
    ['Waited', <Lasting key="waited" from={execution.createdAt} to={execution.startedAt ?? execution.finishedAt} />],
    ['Ran', <Lasting key="ran" from={execution.startedAt} to={execution.finishedAt} />],
    ['Attempt', execution.attempt || '–'],
    ['Session', <SessionLink key="session" id={intent.session.id} />],
    parent && [
      'Parent',
      <ExecutionLink key="parent" id={parent.id}>
        {parent.intent.intentType}
      </ExecutionLink>,
    ],
    rerunOf && ['Re-run of', <ExecutionLink key="rerun" id={rerunOf.id} />],
    fired && ['Schedule', <ScheduleLink key="schedule" id={fired.id} />],
    fired && ['Its time', <Time key="time" at={fired.at} isWhole />],
    operation && [
      'Run again by',
      <Link key="operation" to="/operations/$id" params={{ id: operation }} title={operation}>
        <code>{shortened(operation)}</code>
      </Link>,
    ],
    intent.idempotencyKey && !fired && !operation && ['Idempotency key', intent.idempotencyKey],
    runAt && ['Not before', <Time key="at" at={runAt} isWhole />],
    deadlineAt && ['Deadline', <Time key="until" at={deadlineAt} isWhole />],
    ['Handler', execution.handlerName],
    ['Priority', execution.priority],
    ['Submitted by', execution.submittedBy ?? '–'],
  ];
  return found.filter((fact): fact is Fact => Boolean(fact));
}

function Data({ execution: { id, status } }: { execution: Execution }) {
  const input = useAsk(documents.ExecutionParameters, { id }, { staleMs: Number.POSITIVE_INFINITY });
  const result = useAsk(documents.ExecutionResult, { id }, { isOn: status === 'COMPLETED' });
  return (
    <div className="columns">
      <Panel title="Parameters">
        <Ready shown={input} what="The parameters">
          {({ execution }) => <Payload of={execution?.intent.parametersPreview} name="parameters" />}
        </Ready>
      </Panel>
      <Panel title="Result">
        {status === 'COMPLETED' ? (
          <Ready shown={result} what="The result">
            {({ execution }) => <Payload of={execution?.resultPreview} name="result" />}
          </Ready>
        ) : (
          <p className="inside muted">There is a result once the execution is completed.</p>
        )}
      </Panel>
      <Panel title="Metadata">
        <Ready shown={input} what="The metadata">
          {({ execution }) => <Json value={execution?.intent.metadata} name="metadata" />}
        </Ready>
      </Panel>
    </div>
  );
}

function Artifacts({ execution: { artifacts } }: { execution: Execution }) {
  if (artifacts.nodes.length === 0)
    return <Empty title="No artifacts">This execution has made none, and found none again.</Empty>;
  return (
    <div className="panel">
      <Table
        label="Artifacts"
        columns={artifactColumns}
        rows={artifacts.nodes}
        keyOf={({ id }) => id}
        more={artifacts.pageInfo.hasNextPage && 'The first 50 are shown.'}
      />
    </div>
  );
}

const artifactColumns: TableColumn<Execution['artifacts']['nodes'][number]>[] = [
  { title: 'Artifact', cell: ({ id, displayName }) => <ArtifactLink id={id}>{displayName ?? id}</ArtifactLink> },
  { title: 'Type', cell: ({ artifactType }) => artifactType },
  { title: 'State', cell: ({ lifecycleState }) => <ArtifactState of={lifecycleState} /> },
  { title: 'Generation', isNumber: true, cell: ({ generation }) => generation },
  { title: 'Created', cell: ({ createdAt }) => <Time at={createdAt} /> },
];
