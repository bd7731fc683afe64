/** An execution without the console around it: its head and its timeline, for people's own pages. */
import { getRouteApi } from '@tanstack/react-router';
import { useChange } from '../../parts/address';
import type { EmbedExecutionSearch } from '../../views';
import { ById, ErrorNote, Timeline, Title } from '../execution/shown';

const route = getRouteApi('/embed/execution/$id');

export default function EmbeddedExecution() {
  const search = route.useSearch();
  const set = useChange<EmbedExecutionSearch>();
  return (
    <ById id={route.useParams().id}>
      {(execution) => (
        <>
          <Title execution={execution} />
          <ErrorNote execution={execution} />
          <Timeline execution={execution} search={search} set={set} />
        </>
      )}
    </ById>
  );
}
