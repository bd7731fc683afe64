/** Nodes, what waits, and the quotas of the caller. */
import { useEffect } from 'react';
import { documents, queries, type types, useAsk } from '../api';
import { Facts, Head, Id, Panel, Time } from '../parts';
import { size } from '../parts/json';
import { Empty, Ready } from '../parts/state';
import { Badge } from '../parts/status';
import { Table, type TableColumn } from '../parts/table';

const everyMs = 5_000;

export default function Runtime() {
  const shown = useAsk(documents.Runtime, {});
  const quotas = useAsk(documents.Quotas, {});
  // Leases of nodes are no events of a tenant.
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void queries.invalidateQueries({ queryKey: ['Runtime'] });
    }, everyMs);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="page">
      <Head title="Runtime" below="Nodes and backlog of the whole installation, asked for every 5 s" />
      <Ready shown={shown} what="The runtime">
        {({ runtime }) => (
          <>
            <section className="tiles" aria-label="Backlog">
              <Tile name="Running" value={runtime.backlog.running} words="executions that run now" />
              <Tile name="Ready" value={runtime.backlog.ready} words="could run, and wait for a slot" />
              <Tile name="Scheduled" value={runtime.backlog.scheduled} words="wait for their time" />
              <Tile name="Nodes" value={String(runtime.nodes.length)} words={`version ${runtime.version} answers`} />
            </section>
            <Panel title="Nodes">
              {runtime.nodes.length === 0 ? (
                <Empty title="No node holds a lease" />
              ) : (
                <Table label="Nodes" columns={columns} rows={runtime.nodes} keyOf={({ id }) => id} />
              )}
            </Panel>
          </>
        )}
      </Ready>
      <Panel title="Quotas">
        <Ready shown={quotas} what="The quotas" lines={2}>
          {({ rateLimit }) =>
            rateLimit.length === 0 ? (
              <p className="inside muted">Nothing is limited for this tenant.</p>
            ) : (
              <Facts of={rateLimit.map((one) => [quotaNames[one.quota], shownLimit(one)])} />
            )
          }
        </Ready>
      </Panel>
    </div>
  );
}

export function Tile({ name, value, words }: { name: string; value: string; words: string }) {
  return (
    <div className="tile panel">
      <h2>{name}</h2>
      <strong className="num">{value}</strong>
      <span className="muted small">{words}</span>
    </div>
  );
}

const columns: TableColumn<types.RuntimeQuery['runtime']['nodes'][number]>[] = [
  {
    title: 'Node',
    cell: ({ name, isThis }) => (
      <span className="id">
        {name} {isThis && <Badge tone="good" icon="check" name="answers" />}
      </span>
    ),
  },
  { title: 'Id', cell: ({ id }) => <Id id={id} /> },
  {
    title: 'Load',
    cell: ({ name, running, capacity }) => (
      <span className="progress">
        <progress value={running} max={capacity} aria-label={`Load of ${name}`} />
        <span className="num">
          {running} of {capacity}
        </span>
      </span>
    ),
  },
  { title: 'Version', cell: ({ version }) => version },
  { title: 'Started', cell: ({ startedAt }) => <Time at={startedAt} /> },
  { title: 'Lease', cell: ({ expiresAt }) => <Time at={expiresAt} /> },
];

const quotaNames: Record<types.QuotaKind, string> = {
  CALLER_SUBMITS: 'Submits of this caller in a second',
  COST: 'Points of cost in a second',
  EXECUTIONS: 'Live executions',
  SOCKETS: 'Open sockets',
  STORED_BYTES: 'Stored content',
  SUBMITS: 'Submits in a second',
  SUBSCRIPTIONS: 'Open subscriptions',
};

function shownLimit({ quota, limit, remaining }: types.QuotasQuery['rateLimit'][number]): string {
  const show = (value: string) => (quota === 'STORED_BYTES' ? size(Number(value)) : Number(value).toLocaleString('en'));
  return `${show(remaining)} left of ${show(limit)}`;
}
