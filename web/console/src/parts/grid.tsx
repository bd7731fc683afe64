/**
 * A list of many rows, of which those in view are in the document, and the selected one wherever it is: it has the focus,
 * and with it the keys of the list. Rows are walked by j and k or the arrows, and opened by Enter; the next page is asked
 * for before the end is in view.
 */
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { flushSync } from 'react-dom';
import { letters } from './settings';

export interface Column<Row> {
  id: string;
  title: ReactNode;
  /** A track of a CSS grid. */
  width: string;
  /** Where there is less room than that the column is left out. */
  from?: 'medium' | 'wide';
  cell(row: Row): ReactNode;
}

interface GridProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  open?(row: Row): void;
  /** A click opens, too: for rows without a link in them. */
  isOpenedByClick?: boolean;
  hasMore?: boolean;
  isLoadingMore?: boolean;
  loadMore?(): void;
  /** Told whether the list is at its beginning. */
  onTop?(isTop: boolean): void;
  more?: ReactNode;
}

const rowHeight = 44;
/** Rows beyond those in view, on each side. */
const overscan = 12;

/** The rows of a range, and one more, in their order. */
function withRow(range: number[], at: number): number[] {
  if (at < 0 || range.includes(at)) return range;
  return at < (range[0] ?? 0) ? [at, ...range] : [...range, at];
}

export function Grid<Row>(props: GridProps<Row>) {
  const { label, columns, rows, keyOf, open, isOpenedByClick, hasMore, isLoadingMore, loadMore, onTop, more } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [selected, select] = useState<string>();
  const at = rows.findIndex((row) => keyOf(row) === selected);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan,
    rangeExtractor: (range) => withRow(defaultRangeExtractor(range), at),
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : keyOf(row);
    },
  });
  const items = virtual.getVirtualItems();
  const last = virtual.range ? virtual.range.endIndex + overscan : -1;

  useEffect(() => {
    if (hasMore && !isLoadingMore && last >= rows.length - 20) loadMore?.();
  }, [hasMore, isLoadingMore, last, rows.length, loadMore]);

  const focus = (index: number) =>
    scroller.current?.querySelector<HTMLElement>(`[data-at="${index}"]`)?.focus({ preventScroll: true });
  /** Where the row with the focus is. When that leaves the list, the row in its place gets the focus. */
  const place = useRef<number>(undefined);
  useLayoutEffect(() => {
    if (place.current === undefined) return;
    const row = rows[Math.min(place.current, rows.length - 1)];
    if (at < 0 && row !== undefined) select(keyOf(row));
    if (at < 0) return;
    place.current = at;
    if (document.activeElement === document.body) focus(at);
  });

  function go(to: number) {
    const next = Math.max(0, Math.min(rows.length - 1, to));
    const row = rows[next];
    if (row === undefined) return;
    // In the document before the list is scrolled, whenever that is rendered: what has no row to go to is lost to the page.
    flushSync(() => select(keyOf(row)));
    focus(next);
    virtual.scrollToIndex(next);
  }

  function press(event: KeyboardEvent) {
    if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
    const isLetter = letters.get();
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    };
    const step = steps[event.key] ?? (isLetter && event.key === 'j' ? 1 : isLetter && event.key === 'k' ? -1 : 0);
    const row = rows[at];
    if (step !== 0) {
      event.preventDefault();
      go(at < 0 && step > 0 ? 0 : at + step);
    } else if (
      event.key === 'Enter' &&
      row !== undefined &&
      (event.target as HTMLElement).getAttribute('role') === 'row'
    ) {
      open?.(row);
    }
  }

  const tracks = (from: (column: Column<Row>) => boolean) =>
    columns
      .filter(from)
      .map(({ width }) => width)
      .join(' ');
  const style = {
    '--wide': tracks(() => true),
    '--medium': tracks(({ from }) => from !== 'wide'),
    '--narrow': tracks(({ from }) => from === undefined),
  } as CSSProperties;

  return (
    <div
      role="grid"
      tabIndex={-1}
      aria-label={label}
      aria-rowcount={hasMore ? -1 : rows.length + 1}
      className="grid"
      style={style}
      onKeyDown={press}
    >
      <div role="rowgroup">
        <div role="row" aria-rowindex={1} className="line top">
          {columns.map(({ id, title, from }) => (
            <div key={id} role="columnheader" data-from={from}>
              {title}
            </div>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        className="scroller"
        ref={scroller}
        onScroll={() => onTop?.((scroller.current?.scrollTop ?? 0) < 4)}
      >
        <div role="presentation" className="rows" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const isSelected = item.index === at;
            return (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                aria-selected={isSelected}
                data-at={item.index}
                tabIndex={isSelected || (at < 0 && item.index === items[0]?.index) ? 0 : -1}
                className="line"
                style={{ transform: `translateY(${item.start}px)` }}
                onFocus={() => {
                  place.current = item.index;
                  select(keyOf(row));
                }}
                onBlur={() => {
                  place.current = undefined;
                }}
                {...(isOpenedByClick && { onClick: () => open?.(row), 'data-opens': true })}
              >
                {columns.map((column) => (
                  <div key={column.id} role="gridcell" data-from={column.from}>
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
        {more}
      </div>
    </div>
  );
}
