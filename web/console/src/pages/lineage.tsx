/** A lineage as a graph and as a table: up, down or both ways, further on demand. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { Head } from '../parts';
import { useChange } from '../parts/address';
import { OneOf, TextFilter } from '../parts/controls';
import { Filters } from '../parts/filters';
import { Empty } from '../parts/state';
import type { LineageSearch } from '../views';
import { Shown, usualDepth } from './lineage/shown';

const route = getRouteApi('/lineage');

const wayNames = [
  { id: 'both' as const, name: 'both ways' },
  { id: 'up' as const, name: 'what it was made from' },
  { id: 'down' as const, name: 'what was made from it' },
];
const depths = ['1', '2', '3', '5', '10', '100'].map((id) => ({
  id,
  name: id === '100' ? 'all' : `${id} ${id === '1' ? 'level' : 'levels'}`,
}));

export default function Lineage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<LineageSearch>();
  return (
    <div className="page full">
      <Head title="Lineage" below="What an artifact was made from, and what was made from it" />
      <Filters page="/lineage">
        <TextFilter
          label="Artifact"
          placeholder="Artifact: art_…"
          value={search.root ?? ''}
          set={(root) => set({ root: root || undefined, open: undefined, sel: undefined })}
        />
        <OneOf
          label="Walk"
          choices={wayNames}
          chosen={search.dir ?? 'both'}
          choose={(dir) => set({ dir, open: undefined })}
        />
        <OneOf
          label="Depth"
          choices={depths}
          chosen={String(search.depth ?? usualDepth)}
          choose={(depth) => set({ depth: Number(depth) === usualDepth ? undefined : Number(depth), open: undefined })}
        />
        <OneOf
          label="View"
          choices={[
            { id: 'graph', name: 'graph' },
            { id: 'table', name: 'table' },
          ]}
          chosen={search.view ?? 'graph'}
          choose={(view) => set({ view: view === 'graph' ? undefined : view })}
        />
      </Filters>
      {search.root ? (
        <Shown
          search={search}
          root={search.root}
          set={set}
          begin={(root) => set({ root, open: undefined })}
          open={(id) => void navigate({ to: '/artifacts/$id', params: { id } })}
        />
      ) : (
        <Empty title="Which artifact?">
          Put its id into the field above, or open the lineage from the page of an artifact.
        </Empty>
      )}
    </div>
  );
}
