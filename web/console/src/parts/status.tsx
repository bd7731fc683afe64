/** The state of something by shape, word and colour. */
import type { types } from '../api';
import { Icon, type IconName } from './icon';

type Tone = 'good' | 'busy' | 'wait' | 'bad' | 'off';

const executions: Record<types.ExecutionStatus, [string, Tone, IconName]> = {
  CREATED: ['Created', 'wait', 'clock'],
  RUNNING: ['Running', 'busy', 'play'],
  COMPLETED: ['Completed', 'good', 'check'],
  FAILED: ['Failed', 'bad', 'cross'],
  CANCELLED: ['Cancelled', 'off', 'cancelled'],
};
const waits: Record<types.WaitReason, string> = {
  CHILDREN: 'waits for children',
  LIMIT: 'waits for a limit',
  NODE: 'waits for a node',
  QUEUE: 'waits for a slot',
  RETRY: 'waits to retry',
  SCHEDULE: 'waits for its time',
  WORKER: 'waits for a worker',
};

/** Reasons that a list of executions can be asked for. */
export const waitFilters = ['CHILDREN', 'LIMIT', 'QUEUE', 'RETRY', 'SCHEDULE', 'WORKER'] as const;
export type WaitFilter = (typeof waitFilters)[number];

export const executionStatuses = Object.keys(executions) as types.ExecutionStatus[];
export const statusName = (status: types.ExecutionStatus) => executions[status][0];
export const toneOf = (status: types.ExecutionStatus) => executions[status][1];
export const waitName = (reason: types.WaitReason) => waits[reason];

export function Status({ of, waiting }: { of: types.ExecutionStatus; waiting?: types.WaitReason | null }) {
  const [name, tone, icon] = executions[of];
  return (
    <Badge
      tone={waiting ? 'wait' : tone}
      icon={waiting ? 'clock' : icon}
      name={name}
      more={waiting ? waits[waiting] : ''}
    />
  );
}

export function Badge({ tone, icon, name, more = '' }: { tone: Tone; icon: IconName; name: string; more?: string }) {
  return (
    <span className={`badge ${tone}`} title={more ? `${name}, ${more}` : name}>
      <Icon name={icon} size={12} />
      <span>{name}</span>
      {more && <span className="hidden">, {more}</span>}
    </span>
  );
}

const artifacts: Record<types.ArtifactLifecycleState, [string, Tone, IconName]> = {
  PENDING: ['Pending', 'wait', 'clock'],
  READY: ['Ready', 'good', 'check'],
  ARCHIVED: ['Archived', 'off', 'stop'],
  FAILED: ['Failed', 'bad', 'cross'],
  DELETED: ['Deleted', 'off', 'cancelled'],
};
export const artifactStates = Object.keys(artifacts) as types.ArtifactLifecycleState[];
export const artifactStateName = (state: types.ArtifactLifecycleState) => artifacts[state][0];
export const artifactTone = (state: types.ArtifactLifecycleState) => artifacts[state][1];

export function ArtifactState({ of }: { of: types.ArtifactLifecycleState }) {
  const [name, tone, icon] = artifacts[of];
  return <Badge tone={tone} icon={icon} name={name} />;
}
const sessions: Record<types.SessionStatus, [string, Tone, IconName]> = {
  ACTIVE: ['Active', 'good', 'check'],
  UPGRADED: ['Upgraded', 'good', 'check'],
  CLOSED: ['Closed', 'off', 'stop'],
  EXPIRED: ['Expired', 'off', 'clock'],
};
export const sessionStatuses = Object.keys(sessions) as types.SessionStatus[];
export const sessionStatusName = (status: types.SessionStatus) => sessions[status][0];

export function SessionState({ of }: { of: types.SessionStatus }) {
  const [name, tone, icon] = sessions[of];
  return <Badge tone={tone} icon={icon} name={name} />;
}

const schedules: Record<types.ScheduleStatus, [string, Tone, IconName]> = {
  ACTIVE: ['Active', 'good', 'check'],
  PAUSED: ['Paused', 'off', 'stop'],
};
export const scheduleStatuses = Object.keys(schedules) as types.ScheduleStatus[];
export const scheduleStatusName = (status: types.ScheduleStatus) => schedules[status][0];

export function ScheduleState({ of }: { of: types.ScheduleStatus }) {
  const [name, tone, icon] = schedules[of];
  return <Badge tone={tone} icon={icon} name={name} />;
}

const nodes: Record<types.NodeState, [string, Tone, IconName]> = {
  ACTIVE: ['Active', 'good', 'check'],
  DRAINING: ['Draining', 'wait', 'clock'],
  DRAINED: ['Drained', 'off', 'stop'],
};

export function NodeState({ of }: { of: types.NodeState }) {
  const [name, tone, icon] = nodes[of];
  return <Badge tone={tone} icon={icon} name={name} />;
}
