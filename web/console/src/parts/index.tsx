/** Small parts that every page uses. */
import { Link } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { Button, type ButtonProps, Tooltip, TooltipTrigger } from 'react-aria-components';
import { useStore } from '../api';
import { absolute, ago, clock, moment, span, zone } from '../time';
import { Icon, type IconName } from './icon';

export { Icon, type IconName } from './icon';

export const classes = (...names: (string | false | undefined)[]) => names.filter(Boolean).join(' ');

/** A button with an icon alone has its name as a label and as a tip. */
export function IconButton({
  icon,
  label,
  ...rest
}: { icon: IconName; label: string } & Omit<ButtonProps, 'children'>) {
  return (
    <TooltipTrigger delay={500}>
      <Button {...rest} aria-label={label} className="icon-button">
        <Icon name={icon} />
      </Button>
      <Tooltip className="tip" offset={6}>
        {label}
      </Tooltip>
    </TooltipTrigger>
  );
}

export interface ActionProps extends Omit<ButtonProps, 'children' | 'className'> {
  icon?: IconName;
  kind?: 'plain' | 'main' | 'danger' | 'quiet';
  children: ReactNode;
}

export function Action({ icon, kind = 'plain', children, ...rest }: ActionProps) {
  return (
    <Button {...rest} className={`action ${kind}`}>
      {icon && <Icon name={icon} />}
      <span>{children}</span>
    </Button>
  );
}

/** A time: how long ago, with the whole of it as a title; or the whole of it. */
export function Time({ at, isWhole = false }: { at: string | null | undefined; isWhole?: boolean }) {
  const name = useStore(zone);
  if (!at) return <span className="muted">–</span>;
  const text = absolute(at, name);
  return (
    <time dateTime={at} title={text}>
      {isWhole ? text : <Ago at={at} />}
    </time>
  );
}

function Ago({ at }: { at: string }) {
  const now = useStore(clock);
  return <>{ago(at, now)}</>;
}

/** A time of day with its date where that is not today's; the zone is said at the head of the column. */
export function Stamp({ at }: { at: string }) {
  const name = useStore(zone);
  const { date, time, fraction } = moment(at, name);
  return (
    <time dateTime={at} title={absolute(at, name)} className="stamp">
      <span className="muted">{date} </span>
      {time}
      <span className="muted">{fraction.slice(0, 4)}</span>
    </time>
  );
}

/** The abbreviation of the zone in which times are shown. */
export function ZoneName() {
  const name = useStore(zone);
  return <>{moment(new Date().toISOString(), name).zone}</>;
}

/** How long something took, or has taken until now. */
export function Lasting({ from, to }: { from: string | null | undefined; to: string | null | undefined }) {
  if (!from) return <span className="muted">–</span>;
  if (!to) return <LastingStill from={from} />;
  return <>{between(from, to)}</>;
}

export const between = (from: string, to: string) =>
  span((Date.parse(to) - Date.parse(from)) * 1_000 + fine(to) - fine(from));
// Microseconds beyond the millisecond.
const fine = (text: string) => Number(/\.\d{3}(\d{3})/.exec(text)?.[1] ?? 0);

function LastingStill({ from }: { from: string }) {
  const now = useStore(clock);
  return <>{span(Math.floor(Math.max(0, now - Date.parse(from)) / 1_000) * 1_000_000)}</>;
}

/** An id, shortened in the middle, with a button that copies all of it. */
export function Id({ id, isWhole = false }: { id: string; isWhole?: boolean }) {
  return (
    <span className="id">
      <code title={id}>{isWhole ? id : shortened(id)}</code>
      <Copy text={id} label={`Copy ${id.slice(0, 3)} id`} />
    </span>
  );
}

export const shortened = (id: string) => (id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-5)}` : id);

export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setDone(false), 1_500);
    return () => clearTimeout(timer);
  }, [isDone]);
  const copy = () => void navigator.clipboard?.writeText(text).then(() => setDone(true));
  return <IconButton icon={isDone ? 'check' : 'copy'} label={isDone ? 'Copied' : label} onPress={copy} />;
}

/** Names and values in two columns. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A section of a page with a title. */
export function Panel({ title, more, children }: { title: string; more?: ReactNode; children: ReactNode }) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {more}
      </header>
      {children}
    </section>
  );
}

/** The head of a page: its title, what is below it, and what one can do. */
export function Head({ title, below, actions }: { title: ReactNode; below?: ReactNode; actions?: ReactNode }) {
  return (
    <header className="head">
      <div>
        <h1>{title}</h1>
        {below && <div className="below">{below}</div>}
      </div>
      {actions && <div className="actions">{actions}</div>}
    </header>
  );
}

export function ExecutionLink({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <Link to="/executions/$id" params={{ id }} title={id}>
      {children ?? <code>{shortened(id)}</code>}
    </Link>
  );
}

export function ArtifactLink({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <Link to="/artifacts/$id" params={{ id }} title={id}>
      {children ?? <code>{shortened(id)}</code>}
    </Link>
  );
}

export function SessionLink({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <Link to="/sessions/$id" params={{ id }} title={id}>
      {children ?? <code>{shortened(id)}</code>}
    </Link>
  );
}

export function ScheduleLink({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <Link to="/schedules/$id" params={{ id }} title={id}>
      {children ?? <code>{shortened(id)}</code>}
    </Link>
  );
}
