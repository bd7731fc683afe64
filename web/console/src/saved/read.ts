/** Saved views as the browser keeps them: names for addresses of lists. */

export interface SavedView {
  name: string;
  /** The page below the console's folder, such as `/executions`. */
  page: string;
  /** Its filters, as in the address: `?status=FAILED`, or nothing. */
  search: string;
}

/** So many are kept; the oldest ones go first. */
const most = 100;
const longest = 2_000;

const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= longest;

/** The views in a text of the storage; what is not one is left out. */
export function readViews(text: string | null): SavedView[] {
  if (text === null) return [];
  try {
    const found: unknown = JSON.parse(text);
    if (!Array.isArray(found)) return [];
    return found
      .filter(
        (one): one is SavedView =>
          typeof one === 'object' &&
          one !== null &&
          isText(one.name) &&
          one.name !== '' &&
          isText(one.page) &&
          /^\/[a-z]*$/.test(one.page) &&
          isText(one.search) &&
          /^(?:\?.*)?$/.test(one.search),
      )
      .map(({ name, page, search }) => ({ name, page, search }))
      .slice(-most);
  } catch {
    return [];
  }
}

/** With a view added; one of the same page and name gives way to it. */
export const withView = (views: readonly SavedView[], view: SavedView): SavedView[] =>
  [...views.filter(({ page, name }) => page !== view.page || name !== view.name), view].slice(-most);

const sorted = (search: string) => {
  const parts = new URLSearchParams(search);
  parts.sort();
  return parts.toString();
};

/** Whether two addresses have the same filters, in whatever order. */
export const isSame = (one: string, other: string) => sorted(one) === sorted(other);
