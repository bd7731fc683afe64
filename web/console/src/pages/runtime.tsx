/** Nodes, what waits, and the quotas of the caller. */
import { useEffect } from 'react';
import { documents, queries, type types, useAsk } from '../api';
import { Facts, Head, Panel } from '../parts';
import { size } from '../parts/json';
import { Ready } from '../parts/state';
import { Nodes } from './runtime/nodes';

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
              <Tile name="Nodes" value={String(runtime.nodes.length)} words={takers(runtime.nodes)} />
            </section>
            <Panel title="Nodes">
              <Nodes nodes={runtime.nodes} />
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

function takers(nodes: types.NodeRowFragment[]): string {
  const count = nodes.filter(({ state }) => state === 'ACTIVE').length;
  return count === nodes.length ? 'hold a lease and take work' : `hold a lease; ${count} of them take work`;
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
