/**
 * Views in the address, in a short and stable form: `?status=FAILED,RUNNING&since=1h`. What is unknown or faulty is
 * dropped, and a note says so.
 */
import { store } from './api/store';

export type Raw = Record<string, string>;

export function parseSearch(text: string): Raw {
  return Object.fromEntries(new URLSearchParams(text));
}

export function formatSearch(search: Record<string, unknown>): string {
  const parts = Object.entries(search)
    .filter(
      ([, value]) =>
        value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0),
    )
    .map(([name, value]) => `${encodeURIComponent(name)}=${shown(value)}`);
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}

// Commas stay as they are, so that people can read and write lists.
const shown = (value: unknown) =>
  (Array.isArray(value) ? value : [value === true ? '1' : value])
    .map((one) => encodeURIComponent(String(one)))
    .join(',');

/** Parts of the address that were dropped. */
export const dropped = store<string[]>([]);

/** Reads one view out of an address. */
export class Reader {
  private readonly raw: Raw;
  private readonly faulty: string[] = [];
  private readonly known = new Set<string>();

  constructor(raw: Record<string, unknown>) {
    this.raw = Object.fromEntries(
      Object.entries(raw).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(',') : value === true ? '1' : String(value ?? ''),
      ]),
    );
  }

  text(name: string, pattern = /^.{1,300}$/): string | undefined {
    this.known.add(name);
    const value = this.raw[name];
    if (value === undefined || value === '') return undefined;
    if (pattern.test(value)) return value;
    this.faulty.push(name);
    return undefined;
  }

  one<Name extends string>(name: string, names: readonly Name[]): Name | undefined {
    const value = this.text(name);
    const found = names.find((one) => one === value);
    if (value !== undefined && found === undefined) this.faulty.push(name);
    return found;
  }

  list(name: string, length = 300): string[] | undefined {
    return this.text(name, new RegExp(`^.{1,${length}}$`))
      ?.split(',')
      .filter((one) => one !== '');
  }

  some<Name extends string>(name: string, names: readonly Name[]): Name[] | undefined {
    const values = this.list(name);
    if (!values) return undefined;
    const found = names.filter((one) => values.includes(one));
    if (found.length < values.length) this.faulty.push(name);
    return found.length > 0 ? found : undefined;
  }

  flag(name: string): true | undefined {
    return this.one(name, ['1']) ? true : undefined;
  }

  number(name: string, least: number, most: number): number | undefined {
    const value = this.text(name, /^-?\d{1,7}$/);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (number >= least && number <= most) return number;
    this.faulty.push(name);
    return undefined;
  }

  /** Says what was dropped. */
  end<Search extends object>(search: Search): Search {
    const unknown = Object.keys(this.raw).filter((name) => this.raw[name] !== '' && !this.known.has(name));
    const all = [...this.faulty, ...unknown];
    if (all.length > 0) queueMicrotask(() => dropped.set(all));
    // The router lays this over the address as it is: what is left out has to be named.
    const none = Object.fromEntries(Object.keys(this.raw).map((name) => [name, undefined]));
    return { ...none, ...search };
  }
}
