/** One artifact: what it is, where it comes from, what was made from it, its content and its history. */
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { documents, resolved, type types, useAsk } from '../api';
import { Copy, ExecutionLink, Facts, Head, Icon, Id, Panel, Time } from '../parts';
import { Json, size } from '../parts/json';
import { ArtifactLines } from '../parts/lines';
import { Empty, Ready } from '../parts/state';
import { ArtifactState, artifactStateName, Status } from '../parts/status';
import { Table } from '../parts/table';
import { Parts } from '../parts/tabs';
import { Transition } from './artifact/transition';

const route = getRouteApi('/artifacts/$id');

export type Artifact = NonNullable<types.ArtifactQuery['artifact']>;

export default function ArtifactPage() {
  const { id } = route.useParams();
  const shown = useAsk(documents.Artifact, { id });
  return (
    <div className="page" key={id}>
      <Ready shown={shown} what="This artifact" lines={10}>
        {({ artifact }) =>
          artifact ? (
            <Shown artifact={artifact} />
          ) : (
            <Empty title="There is no such artifact">It is absent or not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

function Shown({ artifact }: { artifact: Artifact }) {
  const { tab } = route.useSearch();
  const navigate = useNavigate({ from: '/artifacts/$id' });
  const { intentType, execution } = artifact.producedBy;
  return (
    <>
      <Head
        title={artifact.displayName ?? artifact.artifactType}
        below={
          <>
            <ArtifactState of={artifact.lifecycleState} />
            <span>{artifact.artifactType}</span>
            <Id id={artifact.id} />
          </>
        }
        actions={<Transition artifact={artifact} />}
      />
      <section className="panel" aria-label="Facts">
        <Facts
          of={[
            ['Created', <Time key="created" at={artifact.createdAt} isWhole />],
            [
              'Made by',
              execution ? (
                <ExecutionLink key="by" id={execution.id}>
                  {intentType}
                </ExecutionLink>
              ) : (
                intentType
              ),
            ],
            ['Its execution', execution ? <Status key="status" of={execution.status} /> : 'no longer kept'],
            ['Generation', artifact.generation],
            ['Owner', artifact.owner ?? '–'],
            ['Purpose', artifact.purpose ?? '–'],
          ]}
        />
      </section>
      <Parts
        label="Parts of the artifact"
        chosen={tab ?? 'lineage'}
        choose={(chosen) =>
          void navigate({ search: { tab: chosen === 'lineage' ? undefined : chosen }, replace: true })
        }
        of={[
          { id: 'lineage', name: 'Lineage', content: <Relatives artifact={artifact} /> },
          {
            id: 'content',
            name: 'Content',
            count: artifact.materializations.length,
            content: <Content artifact={artifact} />,
          },
          {
            id: 'history',
            name: 'History',
            count: artifact.transitions.length,
            content: <History artifact={artifact} />,
          },
        ]}
      />
    </>
  );
}

function Relatives({ artifact: { id, parents, children } }: { artifact: Artifact }) {
  return (
    <>
      <div className="lead">
        <Link to="/lineage" search={{ root: id, dir: 'both' }} className="action">
          <Icon name="lineage" />
          <span>Open the whole lineage</span>
        </Link>
      </div>
      <div className="columns">
        <Near title="Made from" of={parents} none="It was made from no other artifact." />
        <Near title="What was made from it" of={children} none="Nothing was made from it yet." />
      </div>
    </>
  );
}

function Near({ title, of, none }: { title: string; of: Artifact['parents']; none: string }) {
  return (
    <Panel title={title}>
      <ArtifactLines rows={of.nodes} none={none} />
      {of.pageInfo.hasNextPage && <p className="inside muted">The first 50 are shown.</p>}
    </Panel>
  );
}

function Content({ artifact }: { artifact: Artifact }) {
  const { id, materializations, semanticDescriptor } = artifact;
  const preview = useAsk(documents.ArtifactPreview, { id, rows: 20 }, { isOn: materializations.length > 0 });
  return (
    <div className="columns wide">
      {materializations.map((form) => (
        <Panel
          key={form.id}
          title={`${form.format}, ${size(Number(form.sizeBytes))}`}
          more={
            form.downloadUrl ? (
              <a className="action" href={resolved(form.downloadUrl)} download>
                <Icon name="download" />
                <span>Download</span>
              </a>
            ) : undefined
          }
        >
          <Facts
            of={[
              [
                'SHA-256',
                <span key="digest" className="id">
                  <code>{form.digest.slice(0, 16)}…</code>
                  <Copy text={form.digest} label="Copy the digest" />
                </span>,
              ],
              ['Compression', form.compression ?? 'none'],
              ['Kept in', form.storageType],
              ['Recorded', <Time key="at" at={form.createdAt} isWhole />],
            ]}
          />
          <Ready shown={preview} what="The preview" lines={4}>
            {(data) => (
              <Rows rows={data.artifact?.materializations.find((one) => one.id === form.id)?.preview ?? null} />
            )}
          </Ready>
        </Panel>
      ))}
      {materializations.length === 0 && <Empty title="Nothing is stored">This artifact has no content.</Empty>}
      <Panel title="Descriptor">
        <Json value={semanticDescriptor} name="descriptor" />
      </Panel>
    </div>
  );
}

const columnsShown = 12;

/** The first rows of content as a table, or as JSON where they are no objects. */
function Rows({ rows }: { rows: readonly unknown[] | null }) {
  if (rows === null)
    return <p className="inside muted">There is no preview: the content does not hold rows of JSON.</p>;
  if (rows.length === 0) return <p className="inside muted">The content has no rows.</p>;
  const isTable = rows.every((row) => typeof row === 'object' && row !== null && !Array.isArray(row));
  if (!isTable) return <Json value={rows} name="rows" />;
  const objects = rows as Record<string, unknown>[];
  const names = [...new Set(objects.flatMap(Object.keys))];
  return (
    <Table<Record<string, unknown>>
      label="First rows"
      columns={names.slice(0, columnsShown).map((name) => ({
        title: name,
        cell: (row) => <span className="cut cell">{cell(row[name])}</span>,
      }))}
      rows={objects}
      keyOf={(_, at) => at}
      more={names.length > columnsShown && `${columnsShown} of ${names.length} columns are shown.`}
    />
  );
}

const cell = (value: unknown) =>
  value === null || value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value);

function History({ artifact: { transitions } }: { artifact: Artifact }) {
  return (
    <Panel title="Steps of its life">
      <ol className="lines">
        {transitions.map(({ from, to, actor, reason, at }) => (
          <li key={`${at}${to}`}>
            <ArtifactState of={to} />
            <span className="two">
              <span>
                {from ? `from ${artifactStateName(from).toLowerCase()}` : 'registered'} by {actor}
              </span>
              <small className="muted">{reason ?? ''}</small>
            </span>
            <Time at={at} isWhole />
          </li>
        ))}
      </ol>
    </Panel>
  );
}
