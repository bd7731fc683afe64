/** The nodes of the fleet, and what an operator does with one: drain it, and let it take work again. */
import type { types } from '../../api';
import { Id, Time } from '../../parts';
import { useMay } from '../../parts/may';
import { Empty } from '../../parts/state';
import { Badge, NodeState } from '../../parts/status';
import { Table, type TableColumn } from '../../parts/table';
import { Drain, Undrain } from './drain';

export type Node = types.NodeRowFragment;

export function Nodes({ nodes }: { nodes: Node[] }) {
  const may = useMay();
  if (nodes.length === 0) return <Empty title="No node holds a lease" />;
  const mayOperate = may('runtime:operate');
  // Whether another node would take what this one takes no longer.
  const hasOther = (node: Node) => nodes.some(({ id, state }) => id !== node.id && state === 'ACTIVE');
  const columns: TableColumn<Node>[] = [
    {
      title: 'Node',
      cell: ({ id, name, isThis, labels }) => (
        <div className="two node-name">
          <span>
            <b>{name}</b> {isThis && <Badge tone="good" icon="check" name="answers" />}
          </span>
          <Id id={id} />
          {labels.length > 0 && <Labels of={labels} />}
        </div>
      ),
    },
    {
      title: 'State',
      cell: (node) => (
        <div className="node-state">
          <div className="two">
            <NodeState of={node.state} />
            <small className="muted">
              <Asked node={node} />
            </small>
          </div>
          {mayOperate && <Change node={node} hasOther={hasOther(node)} />}
        </div>
      ),
    },
    {
      title: 'Load',
      cell: ({ name, running, capacity }) => (
        <span className="progress">
          <progress value={running} max={Math.max(1, capacity)} aria-label={`Load of ${name}`} />
          <span className="num">
            {running} of {capacity}
          </span>
        </span>
      ),
    },
    {
      title: 'Heartbeat',
      cell: ({ heartbeatAt, expiresAt }) => (
        <div className="two">
          <Time at={heartbeatAt} />
          <small className="muted">
            lease ends <Time at={expiresAt} />
          </small>
        </div>
      ),
    },
    {
      title: 'Version',
      cell: ({ version, startedAt }) => (
        <div className="two">
          <span>{version}</span>
          <small className="muted">
            started <Time at={startedAt} />
          </small>
        </div>
      ),
    },
  ];
  return <Table label="Nodes" columns={columns} rows={nodes} keyOf={({ id }) => id} />;
}

/** Why it takes nothing. */
function Asked({ node: { state, drainRequestedAt, handOverAt } }: { node: Node }) {
  if (state === 'ACTIVE') return null;
  if (!drainRequestedAt) return 'it stops';
  return (
    <>
      asked <Time at={drainRequestedAt} />
      {state === 'DRAINING' && handOverAt && (
        <>
          , hands over <Time at={handOverAt} />
        </>
      )}
    </>
  );
}

/** One that stops takes no orders. */
function Change({ node, hasOther }: { node: Node; hasOther: boolean }) {
  if (node.drainRequestedAt) return <Undrain node={node} />;
  return node.state === 'ACTIVE' ? <Drain node={node} hasOther={hasOther} /> : null;
}

function Labels({ of }: { of: Node['labels'] }) {
  return (
    <ul className="labels" aria-label="Labels">
      {of.map(({ name, value }) => (
        <li key={name}>
          <code>
            {name}={value}
          </code>
        </li>
      ))}
    </ul>
  );
}
