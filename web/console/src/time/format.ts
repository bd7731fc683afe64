/** Times and lengths of time in words. A zone is `local`, or the name of one. */

export const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const zoneName = (name: string) => (name === 'local' ? localZone() : name);

const formats = new Map<string, Intl.DateTimeFormat>();

function format(name: string): Intl.DateTimeFormat {
  const known = formats.get(name);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zoneName(name),
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  });
  formats.set(name, made);
  return made;
}

export interface Moment {
  date: string;
  time: string;
  /** Microseconds as the server wrote them: `.123456`. */
  fraction: string;
  zone: string;
}

/** A time of the server in a zone. */
export function moment(text: string, name: string): Moment {
  const parts = Object.fromEntries(
    format(name)
      .formatToParts(new Date(text))
      .map(({ type, value }) => [type, value]),
  );
  return {
    date: `${parts.year}-${parts.month}-${parts.day}`,
    time: `${parts.hour}:${parts.minute}:${parts.second}`,
    fraction: /\.\d+/.exec(text)?.[0] ?? '',
    zone: parts.timeZoneName ?? '',
  };
}

/**
 * The moment at which the clocks of a zone show a time, as `2026-03-29T02:30` or with seconds; undefined for another
 * text. Of a time that comes twice it is the first one; one that is left out is moved on by what is left out.
 */
export function instantOf(local: string, name: string): string | undefined {
  const asUtc = Date.parse(`${local}Z`);
  if (!/^\d{4,6}-\d\d-\d\dT\d\d:\d\d/.test(local) || Number.isNaN(asUtc)) return undefined;
  const offsetAt = (time: number) => {
    const at = moment(new Date(time).toISOString(), name);
    return Date.parse(`${at.date}T${at.time}Z`) - Math.floor(time / 1_000) * 1_000;
  };
  // The offsets on both sides of a change, the earlier moment first.
  const day = 86_400_000;
  const [before, after] = [asUtc - offsetAt(asUtc - day), asUtc - offsetAt(asUtc + day)];
  const fits = [before, after].filter((time) => time + offsetAt(time) === asUtc);
  return new Date(fits.length > 0 ? Math.min(...fits) : before).toISOString();
}

export function absolute(text: string, name: string): string {
  const { date, time, fraction, zone: abbreviation } = moment(text, name);
  return `${date} ${time}${fraction.slice(0, 4)} ${abbreviation}`;
}

/** Microseconds since 1970. They are below 2^53 until the year 2255. */
export function micros(text: string): number {
  const digits = /\.(\d{1,6})/.exec(text)?.[1] ?? '';
  return Math.floor(Date.parse(text) / 1_000) * 1_000_000 + Number(digits.padEnd(6, '0'));
}

/** A length of time in two units at most: `83 µs`, `1.25 s`, `4 min 10 s`. */
export function span(us: number): string {
  if (us < 1_000) return `${Math.max(0, Math.round(us))} µs`;
  if (us < 1_000_000) return `${trimmed(us / 1_000)} ms`;
  if (us < 60_000_000) return `${trimmed(us / 1_000_000)} s`;
  const seconds = Math.round(us / 1_000_000);
  if (seconds < 3_600) return two(seconds, 60, 'min', 1, 's');
  if (seconds < 86_400) return two(seconds, 3_600, 'h', 60, 'min');
  return two(seconds, 86_400, 'd', 3_600, 'h');
}

const trimmed = (value: number) => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0));

function two(seconds: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % big) / small);
  return `${Math.floor(seconds / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`;
}

/** How long ago: `now`, `12 s ago`, `in 5 min`. */
export function ago(text: string, now: number): string {
  const seconds = Math.round((now - Date.parse(text)) / 1_000);
  const size = Math.abs(seconds);
  if (size < 2) return 'now';
  const words =
    size < 60
      ? `${size} s`
      : size < 3_600
        ? `${Math.floor(size / 60)} min`
        : size < 86_400
          ? `${Math.floor(size / 3_600)} h`
          : `${Math.floor(size / 86_400)} d`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}
