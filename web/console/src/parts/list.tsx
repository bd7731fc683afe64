/** A list of the server with its four states. */
import type { ReactNode } from 'react';
import type { Pages } from '../api';
import { Action } from '.';
import { type Column, Grid } from './grid';
import { Empty, Failed, Loading } from './state';

interface ListProps<Row> {
  label: string;
  pages: Pages<Row>;
  columns: Column<Row>[];
  keyOf(row: Row): string;
  open?: (row: Row) => void;
  isOpenedByClick?: boolean;
  /** What is said where there is nothing: of the filters, where some are set, or of the list. */
  none: { ofFilters?: string; title: string; words: ReactNode };
  /** Takes the filters away; left out where none is set. */
  clear?: (() => void) | undefined;
}

export function List<Row>({
  label,
  pages,
  columns,
  keyOf,
  open,
  isOpenedByClick = false,
  none,
  clear,
}: ListProps<Row>) {
  const what = `The list "${label}"`;
  if (!pages.isThere) {
    return pages.failure ? <Failed failure={pages.failure} again={pages.again} what={what} /> : <Loading lines={12} />;
  }
  if (pages.rows.length === 0) {
    if (pages.failure) return <Failed failure={pages.failure} again={pages.again} what={what} />;
    if (!pages.hasMore) return <None none={none} clear={clear} />;
    return (
      <Empty title="Nothing found so far">
        The server has looked at a part of the list. <Action onPress={pages.loadMore}>Look further</Action>
      </Empty>
    );
  }
  return (
    <div className="grid-place">
      <Grid
        label={label}
        columns={columns}
        rows={pages.rows}
        keyOf={keyOf}
        {...(open && { open })}
        isOpenedByClick={isOpenedByClick}
        hasMore={pages.hasMore && pages.failure === null}
        isLoadingMore={pages.isLoadingMore}
        loadMore={pages.loadMore}
        more={
          pages.failure ? (
            <Failed failure={pages.failure} again={pages.loadMore} what="More of this list" />
          ) : (
            pages.isLoadingMore && <Loading lines={2} />
          )
        }
      />
    </div>
  );
}

export function None({ none, clear }: Pick<ListProps<never>, 'none' | 'clear'>) {
  if (!clear || !none.ofFilters) return <Empty title={none.title}>{none.words}</Empty>;
  return (
    <Empty title={none.ofFilters}>
      <Action onPress={clear}>Clear the filters</Action>
    </Empty>
  );
}
