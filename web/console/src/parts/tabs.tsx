/** Tabs whose choice is in the address. */
import type { ReactNode } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';

export interface Part<Id extends string> {
  id: Id;
  name: string;
  count?: number | string | undefined;
  content: ReactNode;
}

export function Parts<Id extends string>({
  label,
  of,
  chosen,
  choose,
}: {
  label: string;
  of: Part<Id>[];
  chosen: Id;
  choose(id: Id): void;
}) {
  return (
    <Tabs className="tabs" selectedKey={chosen} onSelectionChange={(key) => choose(key as Id)}>
      <TabList aria-label={label} className="tab-list">
        {of.map(({ id, name, count }) => (
          <Tab key={id} id={id} className="tab">
            {name}
            {count !== undefined && <span className="count">{count}</span>}
          </Tab>
        ))}
      </TabList>
      {of.map(({ id, content }) => (
        <TabPanel key={id} id={id} className="tab-panel">
          {content}
        </TabPanel>
      ))}
    </Tabs>
  );
}
