/** Asks for a login, or for a key or token, where the server wants to know who asks. */
import { type FormEvent, useState } from 'react';
import { Form } from 'react-aria-components';
import { begin, logIn, logins, lostProof, useStore } from '../api';
import { Action, Icon } from '../parts';
import { Field } from '../parts/controls';

/** Why a login has failed, by what the server has put behind the address. */
const faults: Record<string, string> = {
  busy: 'You were not logged in: the server is busy, or too much was tried from here. Try again in a while.',
  denied: 'You were not logged in: the issuer refuses it, or it was not finished.',
  failed: 'You were not logged in: the issuer does not answer as it should. Try again.',
  long: 'You were not logged in: the token of the issuer is too long for a cookie.',
  old: 'You were not logged in: it took too long, or was begun in another browser. Try again.',
  refused: 'You were not logged in: the server does not accept the token of the issuer. Its log says why.',
};

let [, why] = /^#login=(\w+)$/.exec(location.hash) ?? [];
if (why) history.replaceState(history.state, '', location.pathname + location.search);

export default function Login() {
  const lost = useStore(lostProof) ?? faults[why ?? ''];
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string>();
  const [isAsking, setAsking] = useState(false);

  async function asking(ask: Promise<void>) {
    why = undefined;
    setFault(undefined);
    setAsking(true);
    await ask.catch((error: Error) => setFault(error.message));
    setAsking(false);
  }

  function use(event: FormEvent) {
    event.preventDefault();
    const proof = text.trim().replace(/^bearer\s+/i, '');
    if (/^[\x21-\x7e]+$/.test(proof)) return asking(begin(proof));
    setFault('A key or token is one word of ASCII characters.');
  }

  return (
    <main className="login">
      <div className="card">
        <h1>Takeoff</h1>
        <p className="muted">
          {logins.length > 0
            ? 'This server wants to know who asks. Log in, or paste a key of the API or a token.'
            : 'This server wants to know who asks. Paste a key of the API or a token.'}
        </p>
        {lost && (
          <div className="note" role="status">
            <Icon name="info" />
            <span>{lost}</span>
          </div>
        )}
        {logins.map(({ issuer, name }) => (
          <Action key={issuer} kind="main" isDisabled={isAsking} onPress={() => asking(logIn(issuer))}>
            Log in with {name}
          </Action>
        ))}
        <Form onSubmit={use} validationBehavior="aria">
          <Field
            label="Key or token"
            value={text}
            set={setText}
            fault={fault}
            placeholder="tk_…"
            isMasked
            help="It is exchanged for a cookie that no script can read, for 12 hours at most."
          />
          <Action kind={logins.length > 0 ? 'plain' : 'main'} type="submit" isDisabled={isAsking || text.trim() === ''}>
            {isAsking ? 'Asking' : 'Log in'}
          </Action>
        </Form>
      </div>
    </main>
  );
}
