/** An execution without the console around it: its head and its timeline, for people's own pages. */
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { documents, keyOf, queries, useAsk } from '../../api';
import { useEvents } from '../../live/events';
import { onChanges } from '../../live/feed';
import { useChange } from '../../parts/address';
import { Empty, Ready } from '../../parts/state';
import type { EmbedExecutionSearch } from '../../views';
import { ErrorNote, type Execution, Timeline, Title } from '../execution/shown';

const route = getRouteApi('/embed/execution/$id');

export default function EmbeddedExecution() {
  const { id } = route.useParams();
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
      <Ready shown={shown} what="This execution">
        {({ execution }) =>
          execution ? (
            <Shown execution={execution} />
          ) : (
            <Empty title="There is no such execution">It is absent, no longer kept, or not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

function Shown({ execution }: { execution: Execution }) {
  const search = route.useSearch();
  const set = useChange<EmbedExecutionSearch>();
  const { events } = useEvents(execution.id);
  return (
    <>
      <Title execution={execution} events={events} />
      <ErrorNote execution={execution} />
      <Timeline execution={execution} events={events} search={search} set={set} />
    </>
  );
}
