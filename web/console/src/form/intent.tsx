/** What the forms of an intent have in common: which handler serves it, and its parameters. */
import type { types } from '../api';
import { Choice } from '../parts/controls';
import type { View } from '../views';
import { Parameters, type useParameters } from './parameters';

export type Handler = types.IntentTypesQuery['intentTypes'][number]['handlers'][number];

/** A choice where more than one handler serves the type. */
export function HandlerChoice({
  handlers,
  handler,
  choose,
}: {
  handlers: readonly Handler[];
  handler: Handler;
  choose(name: string): void;
}) {
  if (handlers.length < 2) return null;
  return (
    <Choice
      label="Handler"
      choices={handlers.map(({ handlerName }) => ({ id: handlerName, name: handlerName }))}
      chosen={handler.handlerName}
      choose={choose}
    />
  );
}

/** The name of the handler as it is submitted: where there is one alone, it need not be named. */
export const named = (handlers: readonly Handler[], { handlerName }: Handler) =>
  handlers.length > 1 ? handlerName : null;

/** What the handler does, and what it wants to know. */
export function Described({
  handler,
  parameters,
  view,
  set,
}: {
  handler: Handler;
  parameters: ReturnType<typeof useParameters>;
  view: View | undefined;
  set(change: { view?: View | undefined }): void;
}) {
  return (
    <>
      {handler.description && <p className="muted">{handler.description}</p>}
      <Parameters
        of={parameters}
        view={view ?? 'form'}
        choose={(chosen) => set({ view: chosen === 'form' ? undefined : chosen })}
      />
    </>
  );
}
