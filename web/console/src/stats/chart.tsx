/** Executions over time: bars of how they ended, a line of how many were accepted, or a table of the same. */
import { type types, useStore } from '../api';
import { Table, type TableColumn } from '../parts/table';
import { moment, zone } from '../time';
import { type Bucket, byType, type Counts, ceiling, series, totals } from '.';

const day = 86_400_000;
const kinds = ['completed', 'failed', 'cancelled'] as const;
const marksAtMost = 6;

interface Props {
  points: types.StatsQuery['executionStats']['points'];
  from: number;
  ms: number;
  count: number;
  isTable: boolean;
}

export function OverTime({ points, from, ms, count, isTable }: Props) {
  const name = useStore(zone);
  const all = series(points, from, ms, count);
  // Days are those of UTC, whatever zone times are shown in.
  const shown = (at: number) => moment(new Date(at).toISOString(), ms === day ? 'UTC' : name);
  const { accepted } = totals(points);
  if (accepted === 0 && points.length === 0)
    return <p className="inside muted">Nothing was submitted, and nothing ended, in this time.</p>;
  return (
    <>
      {isTable ? <AsTable all={all} shown={shown} /> : <Graph all={all} shown={shown} ms={ms} />}
      <Types points={points} />
    </>
  );
}

type Shown = (at: number) => { date: string; time: string; zone: string };

function Graph({ all, shown, ms }: { all: Bucket[]; shown: Shown; ms: number }) {
  const ended = (bucket: Bucket) => bucket.completed + bucket.failed + bucket.cancelled;
  const top = ceiling(Math.max(...all.map((bucket) => Math.max(bucket.accepted, ended(bucket)))));
  const sums = totals(all);
  const every = Math.ceil(all.length / marksAtMost);
  const words = ({ date, time }: { date: string; time: string }) =>
    ms === day ? date.slice(5) : ms * all.length > day ? `${date.slice(5)} ${time.slice(0, 5)}` : time.slice(0, 5);
  const height = (count: number) => (count / top) * 100;
  const line = all.map(({ accepted }, at) => `${at === 0 ? 'M' : 'L'}${at} ${100 - height(accepted)}H${at + 1}`);
  const told = `Executions over time: ${sums.accepted} submitted, ${sums.completed} completed, ${sums.failed} failed, ${sums.cancelled} cancelled. The table has the numbers.`;
  return (
    <div className="over-time">
      <div className="plot">
        <span className="scale">{top.toLocaleString('en')}</span>
        <svg viewBox={`0 0 ${all.length} 100`} preserveAspectRatio="none" role="img" aria-label={told}>
          {all.map((bucket, at) => {
            let below = 100;
            const { date, time } = shown(bucket.at);
            return (
              <g key={bucket.at}>
                {kinds.map((kind) => {
                  const size = height(bucket[kind]);
                  below -= size;
                  return (
                    size > 0 && <rect key={kind} className={kind} x={at + 0.12} width={0.76} y={below} height={size} />
                  );
                })}
                <rect className="over" x={at} width={1} y={0} height={100}>
                  <title>{`${date} ${time.slice(0, 5)}: ${inWords(bucket)}`}</title>
                </rect>
              </g>
            );
          })}
          <path d={line.join('')} className="accepted" />
        </svg>
      </div>
      <div className="marks" aria-hidden="true">
        {all.map(
          ({ at }, index) =>
            index % every === 0 && (
              <span key={at} style={{ left: `${(index / all.length) * 100}%` }}>
                {words(shown(at))}
              </span>
            ),
        )}
      </div>
      <p className="muted small legend">
        <span>
          <span className="swatch line" aria-hidden="true" /> submitted
        </span>
        {kinds.map((kind) => (
          <span key={kind}>
            <span className={`swatch ${kind}`} aria-hidden="true" /> {kind}
          </span>
        ))}
        <span>{ms === day ? 'days of UTC' : shown(all[0]?.at ?? 0).zone}</span>
      </p>
    </div>
  );
}

const inWords = ({ accepted, completed, failed, cancelled }: Counts) =>
  `${accepted} submitted, ${completed} completed, ${failed} failed, ${cancelled} cancelled`;

const counts: TableColumn<Counts>[] = [
  { title: 'Submitted', isNumber: true, cell: ({ accepted }) => accepted.toLocaleString('en') },
  { title: 'Completed', isNumber: true, cell: ({ completed }) => completed.toLocaleString('en') },
  {
    title: 'Failed',
    isNumber: true,
    cell: ({ failed }) => <span className={failed > 0 ? 'bad-text' : ''}>{failed.toLocaleString('en')}</span>,
  },
  { title: 'Cancelled', isNumber: true, cell: ({ cancelled }) => cancelled.toLocaleString('en') },
];

/** What happened, the newest first; where nothing happened there is no row. */
function AsTable({ all, shown }: { all: Bucket[]; shown: Shown }) {
  const rows = all.filter(
    ({ accepted, completed, failed, cancelled }) => accepted + completed + failed + cancelled > 0,
  );
  const time: TableColumn<Bucket> = {
    title: 'From',
    cell: ({ at }) => {
      const { date, time: clock, zone: abbreviation } = shown(at);
      return `${date} ${clock.slice(0, 5)} ${abbreviation}`;
    },
  };
  return (
    <Table label="Executions over time" columns={[time, ...counts]} rows={rows.reverse()} keyOf={({ at }) => at} />
  );
}

const columns: TableColumn<Counts & { type: string }>[] = [{ title: 'Intent', cell: ({ type }) => type }, ...counts];

function Types({ points }: { points: Props['points'] }) {
  return <Table label="By intent" columns={columns} rows={byType(points)} keyOf={({ type }) => type} />;
}
