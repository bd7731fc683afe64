/** The filters of a list. What they say is in the address; a saved view is a name for an address. */
import type { ReactNode } from 'react';
import { Action } from '.';
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
