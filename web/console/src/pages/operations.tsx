/** The list of bulk operations: what each does, and how far it is. */
import { Link, useNavigate } from '@tanstack/react-router';
import { documents, type types, usePages } from '../api';
import { useEvery } from '../live/every';
import { Head, Lasting, Time } from '../parts';
import type { Column } from '../parts/grid';
import { List } from '../parts/list';
import { InShort, OperationState, ProgressBar } from './operation/shown';
import { changes, numbered } from './operation/words';

type Row = types.OperationRowFragment;

const columns: Column<Row>[] = [
  { id: 'status', title: 'State', width: '104px', cell: ({ status }) => <OperationState of={status} /> },
  {
    id: 'kind',
    title: 'Operation',
    width: 'minmax(130px, 2fr)',
    cell: (row) => (
      <div className="two">
        <Link to="/operations/$id" params={{ id: row.id }} title={row.id}>
          {changes[row.kind].name}
        </Link>
        <small className="muted">
          <InShort of={row} />
        </small>
      </div>
    ),
  },
  {
    id: 'progress',
    title: 'Progress',
    width: '250px',
    from: 'medium',
    cell: (row) => <ProgressBar of={row} />,
  },
  {
    id: 'refused',
    title: 'Refused',
    width: '72px',
    from: 'wide',
    cell: ({ refusedCount }) => (
      <span className={refusedCount === '0' ? 'num muted' : 'num bad-text'}>{numbered(refusedCount)}</span>
    ),
  },
  {
    id: 'by',
    title: 'Begun by',
    width: 'minmax(90px, .7fr)',
    from: 'wide',
    cell: ({ createdBy }) => <span className="cut">{createdBy}</span>,
  },
  {
    id: 'lasting',
    title: 'Duration',
    width: '92px',
    from: 'wide',
    cell: ({ createdAt, finishedAt }) => (
      <span className="num">
        <Lasting from={createdAt} to={finishedAt} />
      </span>
    ),
  },
  { id: 'created', title: 'Begun', width: '76px', cell: ({ createdAt }) => <Time at={createdAt} /> },
];

/** One that goes on is looked at so often, and the list for others that have begun. */
const goingMs = 1_000;
const restMs = 5_000;

export default function Operations() {
  const navigate = useNavigate();
  const pages = usePages(documents.Operations, { first: 100 }, ({ operations }) => operations);
  useEvery(documents.Operations.name, pages.rows.some(({ status }) => status === 'RUNNING') ? goingMs : restMs);
  return (
    <div className="page full">
      <Head title="Operations" below="Changes of all executions or artifacts that fit a filter, newest first" />
      <List
        label="Operations"
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        open={({ id }) => void navigate({ to: '/operations/$id', params: { id } })}
        none={{
          title: 'No operations yet',
          words:
            'They are begun where one sees what they concern: on the pages Executions, Failures and Artifacts, for all that the filters show.',
        }}
      />
    </div>
  );
}
