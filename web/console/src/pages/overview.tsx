/** What goes on now: what runs and waits, what failed today, what was made. */
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { documents, keyOf, queries, type types, useAsk } from '../api';
import { useChanges } from '../live/feed';
import { Head, Lasting, Panel } from '../parts';
import { ArtifactLines, ExecutionLines } from '../parts/lines';
import { Ready } from '../parts/state';
import { waitName } from '../parts/status';

const everyMs = 2_000;
const dayMs = 86_400_000;

type Overview = types.OverviewQuery;

const counted = ({ count, exact }: { count: number; exact: boolean }) =>
  `${count.toLocaleString('en')}${exact ? '' : '+'}`;

export default function OverviewPage() {
  // From a whole minute on, so that the query stays the same for as long.
  const since = useMemo(() => new Date(Math.floor((Date.now() - dayMs) / 60_000) * 60_000).toISOString(), []);
  const shown = useAsk(documents.Overview, { since });
  useChanges(() => void queries.invalidateQueries({ queryKey: keyOf(documents.Overview, { since }) }), everyMs);
  return (
    <div className="page">
      <Head title="Overview" below="What goes on now, and what happened in the last day" />
      <Ready shown={shown} what="The overview">
        {(data) => <Shown data={data} />}
      </Ready>
    </div>
  );
}

function Shown({ data: { failed, running, created, all, artifacts } }: { data: Overview }) {
  return (
    <>
      <section className="tiles" aria-label="Counts">
        <Tile
          name="Running"
          value={counted(running.totalCount)}
          tone="busy"
          search={{ status: ['RUNNING'] }}
          words="now"
        />
        <Tile
          name="Waiting"
          value={counted(created.totalCount)}
          tone="wait"
          search={{ status: ['CREATED'] }}
          words="not started yet"
        />
        <Tile
          name="Failed"
          value={counted(failed.totalCount)}
          tone={failed.totalCount.count > 0 ? 'bad' : 'off'}
          search={{ status: ['FAILED'], since: '1d' }}
          words="in the last day"
        />
        <Tile
          name="Submitted"
          value={counted(all.totalCount)}
          tone="off"
          search={{ since: '1d' }}
          words="in the last day"
        />
      </section>
      <div className="columns wide">
        <Panel title="Failed in the last day" more={<All search={{ status: ['FAILED'], since: '1d' }} of="failures" />}>
          <ExecutionLines
            rows={failed.nodes}
            none="Nothing has failed in the last day."
            says={({ error }) => error && `${error.code}: ${error.message}`}
          />
        </Panel>
        <Panel title="Running now" more={<All search={{ status: ['RUNNING'] }} of="that run" />}>
          <ExecutionLines
            rows={running.nodes}
            none="Nothing runs at the moment."
            says={({ startedAt, waitingFor }) => (
              <>
                for <Lasting from={startedAt} to={null} />
                {waitingFor && `, ${waitName(waitingFor)}`}
              </>
            )}
          />
        </Panel>
        <Panel title="Not started yet" more={<All search={{ status: ['CREATED'] }} of="that wait" />}>
          <ExecutionLines
            rows={created.nodes}
            none="Nothing waits."
            says={({ waitingFor }) => waitingFor && waitName(waitingFor)}
          />
        </Panel>
        <Panel
          title="Made last"
          more={
            <Link to="/artifacts" aria-label="All artifacts">
              All
            </Link>
          }
        >
          <ArtifactLines rows={artifacts.nodes} none="No artifacts yet." />
        </Panel>
      </div>
    </>
  );
}

type Search = { status?: types.ExecutionStatus[]; since?: '1d' };

function Tile({
  name,
  value,
  words,
  tone,
  search,
}: {
  name: string;
  value: string;
  words: string;
  tone: string;
  search: Search;
}) {
  return (
    <Link to="/executions" search={search} className={`tile panel ${tone}`}>
      <span className="tile-name">{name}</span>
      <strong className="num">{value}</strong>
      <span className="muted small">{words}</span>
    </Link>
  );
}

function All({ search, of }: { search: Search; of: string }) {
  return (
    <Link to="/executions" search={search} aria-label={`All ${of}`}>
      All
    </Link>
  );
}
