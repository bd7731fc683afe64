/** Icons of the console's own, drawn on 16 by 16. They are never the only sign of something. */

const paths = {
  overview: 'M2.5 2.5h4.5v6H2.5zM9 2.5h4.5v3.5H9zM9 8h4.5v5.5H9zM2.5 10.5H7v3H2.5z',
  executions: 'M2.5 4h6M5 8h8.5M8 12h4.5',
  artifacts: 'M8 1.8l5.5 3v6.4L8 14.2l-5.5-3V4.800zM2.500 4.800L8 7.900l5.500-3.100M8 7.900v6.300',
  lineage:
    'M4 3.500a1.500 1.500 0 1 1-3 0a1.500 1.500 0 1 1 3 0zM4 12.500a1.500 1.500 0 1 1-3 0a1.500 1.500 0 1 1 3 0zM15 8a1.500 1.500 0 1 1-3 0a1.500 1.500 0 1 1 3 0zM4 3.500h2.500c1.500 0 1.500 4.500 3 4.500H12M4 12.500h2.500c1.500 0 1.500-4.500 3-4.500',
  sessions:
    'M8 8a2.700 2.700 0 1 0 0-5.400A2.700 2.700 0 0 0 8 8zM2.800 13.500c.4-2.300 2.600-3.500 5.200-3.500s4.800 1.200 5.200 3.500',
  types: 'M5.500 3L2 8l3.500 5M10.500 3L14 8l-3.500 5',
  runtime: 'M2.500 3h11v4h-11zM2.500 9h11v4h-11zM5 5h.01M5 11h.01',
  keys: 'M9.500 6.500a3 3 0 1 0-3 3a3 3 0 0 0 3-3zM8.700 8.700L13.500 13.500M11.500 11.500L13 10',
  log: 'M3 2.500h10v11H3zM5.500 5.500h5M5.500 8h5M5.500 10.500h3',
  search: 'M7 11.500a4.500 4.500 0 1 0 0-9a4.500 4.500 0 0 0 0 9zM10.300 10.300L14 14',
  settings:
    'M2 4.500h7M12 4.500h2M9 4.500a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0M2 11.500h2M7 11.500h7M4 11.500a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0',
  menu: 'M2.500 4.500h11M2.500 8h11M2.500 11.500h11',
  close: 'M4 4l8 8M12 4l-8 8',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4L6 8l4 4',
  copy: 'M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3',
  check: 'M3 8.500L6.500 12L13 4.500',
  cross: 'M4.500 4.500l7 7M11.500 4.500l-7 7',
  play: 'M5 3.500v9l7.500-4.500z',
  stop: 'M4 4h8v8H4z',
  again: 'M13 8a5 5 0 1 1-1.500-3.500M13 2.500V5h-2.500',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3.300l2.200 1.400',
  warning: 'M8 2.500l6 11H2zM8 6.500v3.200M8 11.500h.01',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.500V11M8 5h.01',
  download: 'M8 2.500v7.500M4.500 7L8 10.500L11.500 7M3 13.500h10',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  fit: 'M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10',
  external: 'M6 3H3v10h10v-3M9 3h4v4M13 3L7.500 8.500',
  out: 'M6.500 2.500h-4v11h4M6 8h8M11 5l3 3-3 3',
  table: 'M2.500 3h11v10h-11zM2.500 6.300h11M2.500 9.700h11M6.500 3v10',
  edit: 'M3 13l.6-3L10.500 3L13 5.500L6 12.400z',
  cancelled: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM4 12l8-8',
  compare: 'M2.500 3h4.500v10H2.500zM9 3h4.500v10H9zM4 6h1.500M4 9h1.500M10.500 6H12M10.500 9H12',
  dot: 'M8 11a3 3 0 1 0 0-6a3 3 0 0 0 0 6z',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
