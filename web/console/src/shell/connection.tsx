/** Whether what is shown is live. */
import { connection, useStore } from '../api';
import { clock, span } from '../time';

const words = { idle: 'Connecting', connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting' };
const tones = { idle: 'wait', connecting: 'wait', live: 'good', reconnecting: 'bad' };

export function ConnectionPill() {
  const { status, staleSince } = useStore(connection);
  const now = useStore(clock);
  const since = staleSince === null ? undefined : span(Math.max(0, Math.floor((now - staleSince) / 1_000)) * 1_000_000);
  return (
    <div className={`pill ${tones[status]}`} role="status">
      <span className="dot" aria-hidden="true" />
      {words[status]}
      {since && <span className="since"> · shown as of {since} ago</span>}
    </div>
  );
}
