/** Controls on React Aria: menus that filter, fields. */
import { type ReactNode, useId, useState } from 'react';
import { Button, Input, Label, Menu, MenuItem, MenuTrigger, Popover, TextArea, TextField } from 'react-aria-components';
import { useStore } from '../api';
import { zone, zoneName } from '../time';
import { IconButton } from '.';
import { Icon } from './icon';

interface Option {
  id: string;
  name: string;
}

/** A filter by some of several values. */
export function Several({
  label,
  choices,
  chosen,
  choose,
}: {
  label: string;
  choices: Option[];
  chosen: readonly string[];
  choose(ids: string[]): void;
}) {
  const names = choices.filter(({ id }) => chosen.includes(id)).map(({ name }) => name);
  const unknown = chosen.filter((id) => !choices.some((choice) => choice.id === id));
  const said = [...names, ...unknown];
  return (
    <MenuTrigger>
      <Button className={said.length > 0 ? 'filter on' : 'filter'}>
        {label}
        {said.length > 0 && <b>{said.length > 2 ? `${said.length} of ${choices.length}` : said.join(', ')}</b>}
        <Icon name="down" size={12} />
      </Button>
      <Popover className="popover">
        <Menu
          aria-label={label}
          selectionMode="multiple"
          selectedKeys={chosen}
          onSelectionChange={(keys) => choose(keys === 'all' ? choices.map(({ id }) => id) : [...keys].map(String))}
          className="menu"
          renderEmptyState={() => <div className="menu-empty">Nothing to choose</div>}
        >
          {choices.map(({ id, name }) => (
            <MenuItem key={id} id={id} textValue={name} className="item">
              {({ isSelected }) => (
                <>
                  <span className="mark">{isSelected && <Icon name="check" size={14} />}</span>
                  {name}
                </>
              )}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

/** A choice of one among several. */
export function OneOf<Id extends string>({
  label,
  choices,
  chosen,
  choose,
  isOn = false,
}: {
  label: string;
  choices: { id: Id; name: string }[];
  chosen: Id;
  choose(id: Id): void;
  isOn?: boolean;
}) {
  const name = choices.find(({ id }) => id === chosen)?.name ?? chosen;
  return (
    <MenuTrigger>
      <Button className={isOn ? 'filter on' : 'filter'}>
        {label}
        <b>{name}</b>
        <Icon name="down" size={12} />
      </Button>
      <Popover className="popover">
        <Menu
          aria-label={label}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[chosen]}
          onSelectionChange={(keys) => keys !== 'all' && choose([...keys][0] as Id)}
          className="menu"
        >
          {choices.map(({ id, name: text }) => (
            <MenuItem key={id} id={id} textValue={text} className="item">
              {({ isSelected }) => (
                <>
                  <span className="mark">{isSelected && <Icon name="check" size={14} />}</span>
                  {text}
                </>
              )}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

/** A button that is on or off. */
export function Toggle({ isOn, set, children }: { isOn: boolean; set(isOn: boolean): void; children: ReactNode }) {
  return (
    <Button className={isOn ? 'filter on' : 'filter'} aria-pressed={isOn} onPress={() => set(!isOn)}>
      {isOn && <Icon name="check" size={12} />}
      {children}
    </Button>
  );
}

/** A filter by a text; it holds when Enter is pressed or the field is left. */
export function TextFilter({
  label,
  value,
  set,
  placeholder,
}: {
  label: string;
  value: string;
  set(value: string): void;
  placeholder: string;
}) {
  const [draft, setDraft] = useState(value);
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    setDraft(value);
  }
  const apply = () => draft.trim() !== value && set(draft.trim());
  return (
    <TextField
      aria-label={label}
      value={draft}
      onChange={setDraft}
      className={value ? 'filter text on' : 'filter text'}
      onBlur={apply}
      onKeyDown={(event) => event.key === 'Enter' && apply()}
    >
      <Icon name="search" size={14} />
      <Input placeholder={placeholder} spellCheck="false" autoComplete="off" />
      {value && <IconButton icon="close" label={`Clear ${label.toLowerCase()}`} onPress={() => set('')} />}
    </TextField>
  );
}

/** A field of a form, with what is wrong with it. */
export function Field({
  label,
  value,
  set,
  fault,
  help,
  lines,
  placeholder,
  isDisabled,
  isMasked,
}: {
  label: string;
  value: string;
  set(value: string): void;
  fault?: string | undefined;
  help?: ReactNode;
  lines?: number;
  placeholder?: string;
  isDisabled?: boolean;
  isMasked?: boolean;
}) {
  return (
    <TextField
      value={value}
      onChange={set}
      isInvalid={Boolean(fault)}
      className="field"
      {...(isDisabled && { isDisabled })}
    >
      <Label>{label}</Label>
      {lines ? (
        <TextArea rows={lines} spellCheck="false" />
      ) : (
        <Input
          spellCheck="false"
          autoComplete="off"
          {...(isMasked && { className: 'masked' })}
          {...(placeholder && { placeholder })}
        />
      )}
      {help && <div className="help">{help}</div>}
      {fault && (
        <div className="fault" role="alert">
          {fault}
        </div>
      )}
    </TextField>
  );
}

/** A field of a form that is one of some. */
export function Choice<Id extends string>({
  label,
  choices,
  chosen,
  choose,
  help,
}: {
  label: string;
  choices: readonly { id: Id; name: string }[];
  chosen: Id;
  choose(id: Id): void;
  help?: string;
}) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={chosen}
        onChange={({ target }) => choose(target.value as Id)}
        {...(help && { 'aria-describedby': `${id}-help` })}
      >
        {choices.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {choice.name}
          </option>
        ))}
      </select>
      {help && (
        <div className="help" id={`${id}-help`}>
          {help}
        </div>
      )}
    </div>
  );
}

/** A moment in the zone in which times are shown: what its clocks show, as such fields have it. */
export function MomentField({
  label,
  value,
  set,
  help,
}: {
  label: string;
  value: string;
  set(value: string): void;
  help?: string;
}) {
  const id = useId();
  const name = useStore(zone);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        step="1"
        value={value}
        onChange={({ target }) => set(target.value)}
        aria-describedby={`${id}-help`}
      />
      <div className="help" id={`${id}-help`}>
        In {zoneName(name)}
        {help ? `; ${help}` : ''}.
      </div>
    </div>
  );
}

const zones = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC')];

/** The name of a zone of the IANA database; the browser's are offered. */
export function ZoneField({ label, value, set }: { label: string; value: string; set(value: string): void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        list={`${id}-zones`}
        value={value}
        spellCheck={false}
        autoComplete="off"
        onChange={({ target }) => set(target.value)}
      />
      <datalist id={`${id}-zones`}>
        {zones.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </div>
  );
}
