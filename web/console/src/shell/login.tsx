/** Asks for a key or token where the server wants to know who asks. */
import { type FormEvent, useState } from 'react';
import { Form } from 'react-aria-components';
import { begin, lostProof, useStore } from '../api';
import { Action, Icon } from '../parts';
import { Field } from '../parts/controls';

export function Login() {
  const lost = useStore(lostProof);
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string>();
  const [isAsking, setAsking] = useState(false);

  async function use(event: FormEvent) {
    event.preventDefault();
    const proof = text.trim().replace(/^bearer\s+/i, '');
    if (!/^[\x21-\x7e]+$/.test(proof)) {
      setFault('A key or token is one word of ASCII characters.');
      return;
    }
    setFault(undefined);
    setAsking(true);
    await begin(proof).catch((error: Error) => setFault(error.message));
    setAsking(false);
  }

  return (
    <main className="login">
      <div className="card">
        <h1>Takeoff</h1>
        <p className="muted">This server wants to know who asks. Paste a key of the API or a token.</p>
        {lost && (
          <div className="note" role="status">
            <Icon name="info" />
            <span>{lost}</span>
          </div>
        )}
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
          <Action kind="main" type="submit" isDisabled={isAsking || text.trim() === ''}>
            {isAsking ? 'Asking' : 'Log in'}
          </Action>
        </Form>
      </div>
    </main>
  );
}
