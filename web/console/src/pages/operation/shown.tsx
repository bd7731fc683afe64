/** The state of an operation and how far it is, as the list and its page have them. */
import { type types, useStore } from '../../api';
import { Badge } from '../../parts/status';
import { absolute, zone } from '../../time';
import { conditionsOf, inShort, numbered, progressOf } from './words';

type Row = types.OperationRowFragment;

const badges: Record<types.OperationStatus, Pick<Parameters<typeof Badge>[0], 'tone' | 'icon' | 'name'>> = {
  RUNNING: { tone: 'busy', icon: 'play', name: 'Running' },
  COMPLETED: { tone: 'good', icon: 'check', name: 'Completed' },
  CANCELLED: { tone: 'off', icon: 'stop', name: 'Stopped' },
  FAILED: { tone: 'bad', icon: 'cross', name: 'Failed' },
};

export const OperationState = ({ of }: { of: types.OperationStatus }) => <Badge {...badges[of]} />;

/** What its filter asks for, in one line. */
export function InShort({ of: { kind, filter } }: { of: Row }) {
  const name = useStore(zone);
  const words = inShort(conditionsOf(kind, filter), (time) => absolute(time, name));
  return <>{words || 'all'}</>;
}

/** A bar, and how many of how many. */
export function ProgressBar({ of, isWide = false }: { of: Row; isWide?: boolean }) {
  const { handled, total, isAtLeast, share } = progressOf(of);
  const words = `${numbered(handled)} of ${numbered(total)}${isAtLeast ? '+' : ''}`;
  return (
    <span className={isWide ? 'progress wide' : 'progress'}>
      <progress
        aria-label="Progress"
        aria-valuetext={words}
        className={of.status.toLowerCase()}
        {...(share !== undefined && { value: share })}
      />
      <span className="num" title={isAtLeast ? 'There may be more than that.' : undefined}>
        {words}
      </span>
    </span>
  );
}
