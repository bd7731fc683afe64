/**
 * The four states of whatever is asked for: loading, empty, failed, partial. An error never looks like an empty list:
 * where there is a failure nothing says that there is nothing.
 */
import type { ReactNode } from 'react';
import type { Failure, Shown } from '../api';
import { Action, Icon } from '.';

export function Failed({ failure, again, what }: { failure: Error; again?: (() => void) | undefined; what: string }) {
  const { kind, code } = failure as Failure;
  return (
    <div className="state failed" role="alert">
      <Icon name="warning" size={20} />
      <div>
        <strong>{kind === 'network' ? 'The server does not answer' : `${what} cannot be shown`}</strong>
        <p>
          {kind === 'network' ? 'It is asked again and again. What was loaded before stays.' : failure.message}
          {code && <code className="code">{code}</code>}
        </p>
        {again && (
          <Action icon="again" onPress={again}>
            Try again
          </Action>
        )}
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Loading({ lines = 6 }: { lines?: number }) {
  return (
    <div className="state loading" role="status">
      <span className="hidden">Loading</span>
      {Array.from({ length: lines }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <span key={at} className="bone" />
      ))}
    </div>
  );
}

/** Says what is missing in what is shown. */
export function Partial({ shown }: { shown: Pick<Shown<unknown>, 'partial' | 'failure' | 'data'> }) {
  const words = shown.partial.map(({ path, message }) => `${path?.join('.') ?? 'a part'}: ${message}`);
  if (shown.failure && shown.data) words.push(`the newest is missing: ${shown.failure.message}`);
  if (words.length === 0) return null;
  return (
    <div className="state partial" role="alert">
      <Icon name="warning" />
      <div>
        <strong>Not all of this could be loaded</strong>
        <p>{words.slice(0, 3).join('; ')}</p>
      </div>
    </div>
  );
}

/** Shows data once they are there, or else why they are not. */
export function Ready<Data>({
  shown,
  what,
  lines,
  children,
}: {
  shown: Shown<Data>;
  what: string;
  lines?: number;
  children: (data: Data) => ReactNode;
}) {
  if (shown.data === undefined) {
    if (shown.failure) return <Failed failure={shown.failure} again={shown.again} what={what} />;
    return <Loading lines={lines ?? 6} />;
  }
  return (
    <>
      <Partial shown={shown} />
      {children(shown.data)}
    </>
  );
}
