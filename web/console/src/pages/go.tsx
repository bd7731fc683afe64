/** Leads from an id alone to its page. */
import { getRouteApi, Navigate } from '@tanstack/react-router';
import { documents, useAsk } from '../api';
import { Head } from '../parts';
import { Empty, Ready } from '../parts/state';

const route = getRouteApi('/go/$id');

export default function Go() {
  const { id } = route.useParams();
  if (id.startsWith('exe_')) return <Navigate to="/executions/$id" params={{ id }} replace />;
  if (id.startsWith('art_')) return <Navigate to="/artifacts/$id" params={{ id }} replace />;
  if (id.startsWith('ses_')) return <Navigate to="/sessions/$id" params={{ id }} replace />;
  if (id.startsWith('sch_')) return <Navigate to="/schedules/$id" params={{ id }} replace />;
  if (id.startsWith('opr_')) return <Navigate to="/operations/$id" params={{ id }} replace />;
  if (id.startsWith('whk_')) return <Navigate to="/webhooks/$id" params={{ id }} replace />;
  if (id.startsWith('key_')) return <Navigate to="/keys" replace />;
  if (id.startsWith('nod_')) return <Navigate to="/runtime" replace />;
  return <Other id={id} />;
}

/** An intent is shown by the executions that it has. */
function Other({ id }: { id: string }) {
  const shown = useAsk(documents.IntentOf, { id }, { isOn: id.startsWith('int_') });
  const none = (
    <Empty title="No page shows this id">
      Executions, artifacts, sessions, schedules, operations, webhooks, intents, keys and nodes have pages: {id}
    </Empty>
  );
  return (
    <div className="page">
      <Head title={id} />
      {id.startsWith('int_') ? (
        <Ready shown={shown} what="The intent">
          {({ node }) =>
            node && 'session' in node ? (
              <Navigate to="/executions" search={{ session: node.session.id, type: [node.intentType] }} replace />
            ) : (
              none
            )
          }
        </Ready>
      ) : (
        none
      )}
    </div>
  );
}
