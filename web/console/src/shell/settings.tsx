/** Theme, time zone, keys, and whose this console is. */
import { useState } from 'react';
import {
  Button,
  ComboBox,
  Dialog,
  DialogTrigger,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Radio,
  RadioGroup,
  Switch,
} from 'react-aria-components';
import { end, graphiqlUrl, licencesUrl, useStore, version, wantsProof } from '../api';
import { Action, Icon } from '../parts';
import { letters, setLetters, setTheme, theme, themes } from '../parts/settings';
import { localZone, setZone, zone } from '../time';
import { keys } from './keys';

const zones = ['local', 'UTC', ...Intl.supportedValuesOf('timeZone').filter((name) => name !== 'UTC')];
const nameOf = (name: string) => (name === 'local' ? `Local (${localZone()})` : name);
const zoneItems = zones.map((id) => ({ id, name: nameOf(id) }));

export function Settings() {
  return (
    <DialogTrigger>
      <Button id="settings" aria-label="Settings" className="icon-button">
        <Icon name="settings" />
      </Button>
      <Popover className="popover" placement="bottom end">
        <Dialog className="settings" aria-label="Settings">
          <Content />
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}

function Content() {
  const chosenTheme = useStore(theme);
  const isLetters = useStore(letters);
  return (
    <>
      <RadioGroup className="radios" value={chosenTheme} onChange={(name) => setTheme(name as typeof chosenTheme)}>
        <Label>Theme</Label>
        <div className="segments">
          {themes.map((name) => (
            <Radio key={name} value={name} className="segment">
              {name}
            </Radio>
          ))}
        </div>
      </RadioGroup>
      <ZoneChoice />
      <Switch className="switch" isSelected={isLetters} onChange={setLetters}>
        <span className="track" />
        Keys of single letters
      </Switch>
      <section aria-label="Keys">
        <h3>Keys</h3>
        <dl className="keys">
          {keys.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </section>
      <p className="muted small">
        Takeoff {version} · <a href={graphiqlUrl.href}>GraphiQL</a> · <a href={licencesUrl.href}>Licences</a>
      </p>
      {wantsProof && <LogOut />}
    </>
  );
}

function LogOut() {
  const [fault, setFault] = useState<string>();
  return (
    <>
      {fault && (
        <p className="fault" role="alert">
          You are still logged in. {fault}
        </p>
      )}
      <Action icon="out" onPress={() => void end().catch((error: Error) => setFault(error.message))}>
        Log out
      </Action>
    </>
  );
}

function ZoneChoice() {
  const chosen = useStore(zone);
  const [text, setText] = useState(nameOf(chosen));
  return (
    <ComboBox
      className="field"
      menuTrigger="focus"
      defaultItems={zoneItems}
      selectedKey={chosen}
      inputValue={text}
      onInputChange={setText}
      onSelectionChange={(key) => {
        if (key === null) return;
        setZone(String(key));
        setText(nameOf(String(key)));
      }}
    >
      <Label>Time zone</Label>
      <div className="combo">
        <Input />
        <Button aria-label="All time zones" className="icon-button">
          <Icon name="down" size={12} />
        </Button>
      </div>
      <Popover className="popover">
        <ListBox className="menu tall">
          {(item: { id: string; name: string }) => (
            <ListBoxItem id={item.id} textValue={item.name} className="item">
              {item.name}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
