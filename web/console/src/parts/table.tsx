/** A short list as a table. A long one, or one of many pages, is a `Grid`. */
import type { ReactNode } from 'react';

export interface TableColumn<Row> {
  title: ReactNode;
  isNumber?: boolean;
  cell(row: Row): ReactNode;
}

interface TableProps<Row> {
  label: string;
  columns: TableColumn<Row>[];
  rows: readonly Row[];
  keyOf(row: Row, at: number): string | number;
  /** Said below the rows. */
  more?: ReactNode;
}

export function Table<Row>({ label, columns, rows, keyOf, more }: TableProps<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys
    <section className="table-place" tabIndex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title }, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns keep their places
              <th key={at} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={keyOf(row, index)}>
              {columns.map(({ isNumber, cell }, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns keep their places
                <td key={at} className={isNumber ? 'num' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more && <p className="inside muted">{more}</p>}
    </section>
  );
}
