/** Short lists of executions and of artifacts, a line each. */
import type { ReactNode } from 'react';
import type { types } from '../api';
import { ArtifactLink, ExecutionLink, Time } from '.';
import { ArtifactState, Status } from './status';

interface Execution {
  id: string;
  status: types.ExecutionStatus;
  waitingFor: types.WaitReason | null;
  createdAt: string;
  intent: { intentType: string };
}

export function ExecutionLines<Row extends Execution>({
  rows,
  none,
  says,
}: {
  rows: readonly Row[];
  none: string;
  says(row: Row): ReactNode;
}) {
  if (rows.length === 0) return <p className="inside muted">{none}</p>;
  return (
    <ul className="lines">
      {rows.map((row) => (
        <li key={row.id}>
          <Status of={row.status} waiting={row.waitingFor} />
          <span className="two">
            <ExecutionLink id={row.id}>{row.intent.intentType}</ExecutionLink>
            <small className="muted">{says(row)}</small>
          </span>
          <Time at={row.createdAt} />
        </li>
      ))}
    </ul>
  );
}

interface Artifact {
  id: string;
  artifactType: string;
  displayName: string | null;
  lifecycleState: types.ArtifactLifecycleState;
  createdAt: string;
}

export function ArtifactLines({ rows, none }: { rows: readonly Artifact[]; none: string }) {
  if (rows.length === 0) return <p className="inside muted">{none}</p>;
  return (
    <ul className="lines">
      {rows.map((one) => (
        <li key={one.id}>
          <ArtifactState of={one.lifecycleState} />
          <span className="two">
            <ArtifactLink id={one.id}>{one.displayName ?? one.id}</ArtifactLink>
            <small className="muted">{one.artifactType}</small>
          </span>
          <Time at={one.createdAt} />
        </li>
      ))}
    </ul>
  );
}
