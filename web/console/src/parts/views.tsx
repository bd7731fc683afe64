/** The saved views of a list: opened, made of what is shown now, taken away. */
import { useNavigate, useRouterState } from '@tanstack/react-router';
import { type FormEvent, useCallback, useState } from 'react';
import { Button, Dialog, DialogTrigger, Form, Popover } from 'react-aria-components';
import { pageAt, useStore } from '../api';
import { isSame, keepViews, type SavedView, savedViews, withView } from '../saved';
import { parseSearch } from '../search';
import { Action, Copy, Icon, IconButton } from '.';
import { Field } from './controls';

/** Opens a saved view: its filters take the place of all that are set. */
export function useOpenView(): (view: SavedView) => void {
  const navigate = useNavigate();
  return useCallback(
    ({ page, search }: SavedView) => void navigate({ to: page, search: parseSearch(search) as never }),
    [navigate],
  );
}

export function Views({ page }: { page: string }) {
  const all = useStore(savedViews);
  const search = useRouterState({ select: ({ location }) => location.searchStr });
  const views = all.filter((view) => view.page === page);
  const current = views.find((view) => isSame(view.search, search));
  return (
    <DialogTrigger>
      <Button className={current ? 'filter on views-button' : 'filter views-button'}>
        Views
        {current && <b>{current.name}</b>}
        <Icon name="down" size={12} />
      </Button>
      <Popover className="popover" placement="bottom end">
        <Dialog className="views" aria-label="Saved views">
          {({ close }) => <Content page={page} search={search} views={views} close={close} />}
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}

interface ContentProps {
  page: string;
  search: string;
  views: SavedView[];
  close(): void;
}

function Content({ page, search, views, close }: ContentProps) {
  const open = useOpenView();
  const [name, setName] = useState('');
  const [fault, setFault] = useState<string>();
  function save(event: FormEvent) {
    event.preventDefault();
    const given = name.trim().slice(0, 60);
    if (given === '') return;
    if (keepViews(withView(savedViews.get(), { name: given, page, search }))) close();
    else setFault('The browser keeps nothing more; the view is there until this tab is closed.');
  }
  return (
    <>
      {views.length === 0 ? (
        <p className="muted small">No view of this list is saved yet.</p>
      ) : (
        <ul>
          {views.map((view) => (
            <li key={view.name}>
              <Button
                className="item view"
                onPress={() => {
                  open(view);
                  close();
                }}
              >
                <span className="mark">{isSame(view.search, search) && <Icon name="check" size={14} />}</span>
                <span className="cut">{view.name}</span>
              </Button>
              <Copy text={pageAt(`${view.page}${view.search}`)} label={`Copy the address of ${view.name}`} />
              <IconButton
                icon="close"
                label={`Remove ${view.name}`}
                onPress={() => keepViews(savedViews.get().filter((one) => one !== view))}
              />
            </li>
          ))}
        </ul>
      )}
      <Form className="save-view" onSubmit={save} validationBehavior="aria">
        <Field
          label="Save what is shown as"
          value={name}
          set={setName}
          fault={fault}
          help="Kept in this browser. Its address shows others the same."
        />
        <Action type="submit" kind="main" isDisabled={name.trim() === ''}>
          Save
        </Action>
      </Form>
    </>
  );
}
