/** What is selected, beside what it was selected in. */
import type { ReactNode } from 'react';
import { IconButton } from '.';

export function Aside({ title, close, children }: { title: string; close(): void; children: ReactNode }) {
  return (
    <aside className="panel selected" aria-label="Selected">
      <header>
        <h2 className="cut">{title}</h2>
        <IconButton icon="close" label="Close" onPress={close} />
      </header>
      {children}
    </aside>
  );
}
