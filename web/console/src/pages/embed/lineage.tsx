/** A lineage without the console around it, for people's own pages. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { pageAt } from '../../api';
import { useChange } from '../../parts/address';
import type { EmbedLineageSearch } from '../../views';
import { Shown } from '../lineage/shown';

const route = getRouteApi('/embed/lineage/$id');

export default function EmbeddedLineage() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<EmbedLineageSearch>();
  return (
    <div className="page full">
      <h1 className="hidden">Lineage</h1>
      <Shown
        search={search}
        root={id}
        set={set}
        begin={(artifact) => void navigate({ to: '/embed/lineage/$id', params: { id: artifact }, search })}
        open={(artifact) => window.open(pageAt(`artifacts/${artifact}`), '_blank', 'noopener')}
      />
    </div>
  );
}
