/** The pages, as the side bar and the palette have them. */
import type { LinkProps } from '@tanstack/react-router';
import type { IconName } from '../parts/icon';
import type { Scope, WholeScope } from '../parts/scopes';

interface Way {
  to: NonNullable<LinkProps['to']>;
  name: string;
  /** Its key after `g`. */
  key: string;
  icon: IconName;
  /** What one needs to be shown the way. */
  needs?: Scope | WholeScope;
}

export const ways: { title: string; of: Way[] }[] = [
  {
    title: 'Work',
    of: [
      { to: '/', name: 'Overview', key: 'o', icon: 'overview' },
      { to: '/executions', name: 'Executions', key: 'e', icon: 'executions' },
      { to: '/failures', name: 'Failures', key: 'f', icon: 'warning' },
      { to: '/schedules', name: 'Schedules', key: 'c', icon: 'clock' },
      { to: '/operations', name: 'Operations', key: 'b', icon: 'again' },
      { to: '/sessions', name: 'Sessions', key: 's', icon: 'sessions' },
      { to: '/types', name: 'Types', key: 't', icon: 'types' },
    ],
  },
  {
    title: 'Results',
    of: [
      { to: '/artifacts', name: 'Artifacts', key: 'a', icon: 'artifacts' },
      { to: '/lineage', name: 'Lineage', key: 'l', icon: 'lineage' },
    ],
  },
  {
    title: 'Administration',
    of: [
      { to: '/webhooks', name: 'Webhooks', key: 'h', icon: 'out', needs: 'executions:read:all' },
      { to: '/runtime', name: 'Runtime', key: 'r', icon: 'runtime', needs: 'runtime:operate' },
      { to: '/log', name: 'Log', key: 'w', icon: 'log', needs: 'log:read' },
      { to: '/keys', name: 'Keys', key: 'k', icon: 'keys', needs: 'keys:manage' },
    ],
  },
];
