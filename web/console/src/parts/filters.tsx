/** The filters of a list. What they say is in the address; a saved view is a name for an address. */
import type { ReactNode } from 'react';
import { documents, useAsk } from '../api';
import { Action } from '.';
import { Several } from './controls';
import { Views } from './views';

interface FiltersProps {
  /** The page, as it is in its address. */
  page: string;
  /** Takes all filters away; left out where none is set. */
  clear?: (() => void) | undefined;
  children: ReactNode;
}

export function Filters({ page, clear, children }: FiltersProps) {
  return (
    <search className="filters">
      {children}
      {clear && (
        <Action kind="quiet" icon="close" onPress={clear}>
          Clear
        </Action>
      )}
      <Views page={page} />
    </search>
  );
}

/** The names of the intent types; they change with the handlers that are registered. */
export const useTypes = () => useAsk(documents.TypeNames, {}, { staleMs: 300_000 }).data?.intentTypes ?? [];

/** A filter by the types of intents. */
export function TypesFilter({ chosen = [], choose }: { chosen?: string[] | undefined; choose(names: string[]): void }) {
  const choices = useTypes().map(({ name }) => ({ id: name, name }));
  return <Several label="Intent" choices={choices} chosen={chosen} choose={choose} />;
}
