/** The list of artifacts. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { documents, queries, type types, usePages } from '../api';
import { useChanges } from '../live/feed';
import { ArtifactLink, ExecutionLink, Head, Id, Time } from '../parts';
import { useChange } from '../parts/address';
import { Several, TextFilter } from '../parts/controls';
import { Filters } from '../parts/filters';
import type { Column } from '../parts/grid';
import { size } from '../parts/json';
import { List } from '../parts/list';
import { ArtifactState, artifactStateName, artifactStates } from '../parts/status';
import type { ArtifactsSearch } from '../views';
import { OfArtifacts } from './operation/begin';

const route = getRouteApi('/artifacts');

type Row = types.ArtifactsQuery['artifacts']['nodes'][number];

const columns: Column<Row>[] = [
  { id: 'state', title: 'State', width: '112px', cell: ({ lifecycleState }) => <ArtifactState of={lifecycleState} /> },
  {
    id: 'name',
    title: 'Artifact',
    width: 'minmax(140px, 2fr)',
    cell: ({ id, displayName, artifactType }) => (
      <div className="two">
        <ArtifactLink id={id}>{displayName ?? artifactType}</ArtifactLink>
        <small className="muted">{artifactType}</small>
      </div>
    ),
  },
  { id: 'id', title: 'Id', width: '176px', from: 'wide', cell: ({ id }) => <Id id={id} /> },
  {
    id: 'by',
    title: 'Made by',
    width: 'minmax(130px, 1fr)',
    from: 'medium',
    cell: ({ producedBy: { intentType, execution } }) =>
      execution ? <ExecutionLink id={execution.id}>{intentType}</ExecutionLink> : intentType,
  },
  {
    id: 'forms',
    title: 'Stored as',
    width: '150px',
    from: 'wide',
    cell: ({ materializations: forms }) => (
      <span className="cut">
        {forms.map(({ format, sizeBytes }) => `${format} ${size(Number(sizeBytes))}`).join(', ') || '–'}
      </span>
    ),
  },
  {
    id: 'generation',
    title: 'Gen.',
    width: '48px',
    from: 'wide',
    cell: ({ generation }) => <span className="num">{generation}</span>,
  },
  { id: 'created', title: 'Created', width: '88px', cell: ({ createdAt }) => <Time at={createdAt} /> },
];

const everyMs = 2_000;

export default function Artifacts() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<ArtifactsSearch>();
  const { state, type, name, session, execution } = search;
  const filter: types.ArtifactFilter = {
    ...(state && { lifecycleState: state }),
    ...(type && { artifactType: type }),
    ...(name && { nameContains: name }),
    ...(session && { sessionId: session }),
    ...(execution && { executionId: execution }),
  };
  const pages = usePages(
    documents.Artifacts,
    { first: 100, filter, orderBy: 'NEWEST_FIRST' },
    ({ artifacts }) => artifacts,
  );
  useChanges(
    () => void queries.invalidateQueries({ queryKey: ['Artifacts'] }),
    everyMs,
    (changes) => [...changes.values()].some(({ types: all }) => all.some((one) => one.startsWith('artifact.'))),
  );
  const isFiltered = Object.keys(filter).length > 0;
  const clear = () =>
    set({ state: undefined, type: undefined, name: undefined, session: undefined, execution: undefined });
  return (
    <div className="page full">
      <Head
        title="Artifacts"
        below="What executions have made, newest first"
        actions={<OfArtifacts filter={filter} />}
      />
      <Filters page="/artifacts" clear={isFiltered ? clear : undefined}>
        <Several
          label="State"
          choices={artifactStates.map((id) => ({ id, name: artifactStateName(id) }))}
          chosen={state ?? []}
          choose={(ids) => set({ state: artifactStates.filter((one) => ids.includes(one)) })}
        />
        <TextFilter
          label="Type"
          placeholder="Type"
          value={type?.join(',') ?? ''}
          set={(text) => set({ type: text ? text.split(',') : undefined })}
        />
        <TextFilter
          label="Name contains"
          placeholder="Name contains"
          value={name ?? ''}
          set={(text) => set({ name: text || undefined })}
        />
        <TextFilter
          label="Session"
          placeholder="Session: ses_…"
          value={session ?? ''}
          set={(text) => set({ session: text || undefined })}
        />
        <TextFilter
          label="Execution"
          placeholder="Execution: exe_…"
          value={execution ?? ''}
          set={(text) => set({ execution: text || undefined })}
        />
      </Filters>
      <List
        label="Artifacts"
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        open={({ id }) => void navigate({ to: '/artifacts/$id', params: { id } })}
        none={{
          ofFilters: 'No artifact fits these filters',
          title: 'No artifacts yet',
          words: 'Handlers register what they make; it shows up here.',
        }}
        clear={isFiltered ? clear : undefined}
      />
    </div>
  );
}
