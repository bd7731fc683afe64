/** A lineage that was walked: as a graph or a table, with what is selected. */
import { useMemo } from 'react';
import { ask, documents, type types } from '../../api';
import { Canvas } from '../../lineage/canvas';
import { svgOf } from '../../lineage/draw';
import { type Graph, type LineageNode, type Placed, useGraph, useLayout } from '../../lineage/graph';
import { Action, ArtifactLink, Facts, Id } from '../../parts';
import { Aside } from '../../parts/aside';
import { type Column, Grid } from '../../parts/grid';
import { save } from '../../parts/json';
import { Empty, Failed, Loading } from '../../parts/state';
import { ArtifactState } from '../../parts/status';
import type { LineageSearch } from '../../views';

const ways: Record<'up' | 'down' | 'both', types.LineageDirection> = {
  up: 'UPSTREAM',
  down: 'DOWNSTREAM',
  both: 'BOTH',
};
export const usualDepth = 3;
const noIds: string[] = [];

const reasonNames: Record<types.TruncationReason, string> = {
  DEADLINE: 'the walk took too long',
  FAN_OUT: 'an artifact has more relatives than the walk follows',
  MAX_DEPTH: 'there is more beyond this depth',
  MAX_EDGES: 'there are more edges than one answer holds',
  MAX_NODES: 'there are more than 10,000 artifacts',
};

interface ShownProps {
  search: Omit<LineageSearch, 'root'>;
  root: string;
  set(change: Partial<Omit<LineageSearch, 'root'>>): void;
  /** Walks from another artifact. */
  begin(id: string): void;
  open(id: string): void;
}

export function Shown({ search, root, set, begin, open }: ShownProps) {
  const opened = search.open ?? noIds;
  const direction = ways[search.dir ?? 'both'];
  const depth = search.depth ?? usualDepth;
  const { graph, failure, partial, again } = useGraph({ root, direction, depth, open: opened });
  const placed = useLayout(graph);
  const expand = (id: string) => set({ open: [...opened, id], sel: id });
  if (!graph) return failure ? <Failed failure={failure} again={again} what="This lineage" /> : <Loading lines={8} />;
  if (graph.nodes.length === 0)
    return <Empty title="There is no such artifact">It is absent or not the caller's: {root}</Empty>;
  const node = graph.nodes.find(({ id }) => id === search.sel);
  return (
    <>
      {partial && <Failed failure={partial} again={again} what="A part that was opened" />}
      {graph.reasons.length > 0 && (
        <p className="note" role="status">
          <span>Not all is shown: {graph.reasons.map((reason) => reasonNames[reason]).join(', ')}.</span>
        </p>
      )}
      <div className={node ? 'lineage-place with-selected' : 'lineage-place'}>
        {search.view === 'table' ? (
          <Table graph={graph} root={root} expand={expand} open={open} />
        ) : placed ? (
          <Canvas
            placed={placed}
            root={root}
            selected={search.sel}
            select={(sel) => set({ sel })}
            expand={expand}
            open={open}
          />
        ) : (
          <Loading lines={8} />
        )}
        {node && (
          <Selected
            node={node}
            graph={graph}
            root={root}
            expand={expand}
            close={() => set({ sel: undefined })}
            focus={() => begin(node.id)}
          />
        )}
      </div>
      <footer className="lineage-foot">
        <span className="muted">
          {graph.nodes.length} artifacts, {graph.edges.length} edges
        </span>
        {placed && <Exports placed={placed} asked={{ roots: [root], direction, maxDepth: depth, maxNodes: 10_000 }} />}
      </footer>
    </>
  );
}

function Exports({ placed, asked }: { placed: Placed; asked: types.LineageTextQueryVariables }) {
  const mermaid = async () => {
    const { data } = await ask(documents.LineageText, asked);
    save(data.lineage.mermaid, 'lineage.mmd', 'text/plain');
  };
  return (
    <>
      <Action icon="download" kind="quiet" onPress={() => save(svgOf(placed), 'lineage.svg', 'image/svg+xml')}>
        SVG
      </Action>
      <Action icon="download" kind="quiet" onPress={() => void mermaid()}>
        Mermaid
      </Action>
    </>
  );
}

interface SelectedProps {
  node: LineageNode;
  graph: Graph;
  root: string;
  expand(id: string): void;
  close(): void;
  focus(): void;
}

function Selected({ node, graph, root, expand, close, focus }: SelectedProps) {
  const parents = graph.edges.filter(({ childId }) => childId === node.id);
  const children = graph.edges.filter(({ parentId }) => parentId === node.id);
  return (
    <Aside title={node.displayName ?? node.artifactType} close={close}>
      <Facts
        of={[
          ['Type', node.artifactType],
          ['State', <ArtifactState key="state" of={node.lifecycleState} />],
          ['Id', <Id key="id" id={node.id} />],
          ['Made by', parents[0]?.intentType ?? '–'],
          ['Parents shown', parents.length],
          ['Children shown', children.length],
        ]}
      />
      <div className="inside buttons">
        <ArtifactLink id={node.id}>Open</ArtifactLink>
        {graph.frontier.has(node.id) && (
          <Action icon="plus" onPress={() => expand(node.id)}>
            Further from here
          </Action>
        )}
        {node.id !== root && (
          <Action icon="lineage" onPress={focus}>
            Begin here
          </Action>
        )}
      </div>
    </Aside>
  );
}

function Table({
  graph,
  root,
  expand,
  open,
}: {
  graph: Graph;
  root: string;
  expand(id: string): void;
  open(id: string): void;
}) {
  const rows = useMemo(
    () => [...graph.nodes].sort((a, b) => a.generation - b.generation || (a.id < b.id ? -1 : 1)),
    [graph],
  );
  const beside = useMemo(() => {
    const found = new Map<string, { by: string; parents: number; children: number }>();
    const of = (id: string) => {
      const known = found.get(id) ?? { by: '–', parents: 0, children: 0 };
      found.set(id, known);
      return known;
    };
    for (const { parentId, childId, intentType } of graph.edges) {
      of(parentId).children += 1;
      of(childId).parents += 1;
      of(childId).by = intentType;
    }
    return found;
  }, [graph]);
  const columns: Column<LineageNode>[] = [
    {
      id: 'state',
      title: 'State',
      width: '112px',
      from: 'medium',
      cell: ({ lifecycleState }) => <ArtifactState of={lifecycleState} />,
    },
    {
      id: 'generation',
      title: 'Gen.',
      width: '48px',
      cell: ({ generation }) => <span className="num">{generation}</span>,
    },
    {
      id: 'name',
      title: 'Artifact',
      width: 'minmax(140px, 2fr)',
      cell: ({ id, displayName, artifactType }) => (
        <div className="two">
          <ArtifactLink id={id}>{displayName ?? id}</ArtifactLink>
          <small className="muted">
            {artifactType}
            {id === root && ', where the walk began'}
          </small>
        </div>
      ),
    },
    {
      id: 'by',
      title: 'Made by',
      width: 'minmax(110px, 1fr)',
      from: 'medium',
      cell: ({ id }) => <span className="cut">{beside.get(id)?.by ?? '–'}</span>,
    },
    {
      id: 'parents',
      title: 'Parents',
      width: '64px',
      from: 'wide',
      cell: ({ id }) => <span className="num">{beside.get(id)?.parents ?? 0}</span>,
    },
    {
      id: 'children',
      title: 'Children',
      width: '68px',
      from: 'wide',
      cell: ({ id }) => <span className="num">{beside.get(id)?.children ?? 0}</span>,
    },
    {
      id: 'more',
      title: 'More',
      width: '84px',
      cell: ({ id }) =>
        graph.frontier.has(id) ? (
          <Action kind="quiet" onPress={() => expand(id)}>
            Further
          </Action>
        ) : null,
    },
  ];
  return (
    <div className="grid-place">
      <Grid label="Lineage" columns={columns} rows={rows} keyOf={({ id }) => id} open={({ id }) => open(id)} />
    </div>
  );
}
