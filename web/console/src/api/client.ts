/** The client of the server, for the caller that is known now. */
import { type Client, createClient } from '@takeoff/client';
import { session } from './caller';
import { server } from './place';
import { store } from './store';

/** Whether what is followed is current, and since when it is not. */
export const connection = store<Client['connection']>({ status: 'idle', staleSince: null });
const returns = new Set<() => void>();

function made(): Client {
  const { csrf } = session.get();
  const client = createClient({
    url: server,
    headers: (): Record<string, string> => (csrf === undefined ? {} : { 'x-takeoff-csrf': csrf }),
  });
  client.onConnection((next) => {
    if (client !== current) return;
    const wasAway = connection.get().status === 'reconnecting';
    connection.set(next);
    if (wasAway && next.status === 'live') for (const run of returns) run();
  });
  return client;
}

let current = made();

session.follow(() => {
  current.close();
  current = made();
});

export const client = () => current;

/** Runs when the server is there again after it was away. */
export function onReturn(run: () => void): () => void {
  returns.add(run);
  return () => returns.delete(run);
}
