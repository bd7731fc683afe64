import { createClient } from '@takeoff/client';
import { defineElements } from '@takeoff/client/elements';
import { TakeoffProvider } from '@takeoff/client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { FileJourney } from './FileJourney.js';

interface Visit {
  session: string;
  token?: string;
  expiresAt?: string;
}

const visit = async (): Promise<Visit> => (await fetch('/token')).json();

const { session, token } = await visit();
const client = createClient({
  url: import.meta.env.VITE_TAKEOFF_URL ?? 'http://127.0.0.1:8080',
  // Asked again before a token ends. Without a key there is none, and none is asked for.
  ...(token && { token: async () => ({ token, ...(await visit()) }) }),
});
defineElements(client);

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <TakeoffProvider client={client}>
      <FileJourney session={session} />
    </TakeoffProvider>
  </StrictMode>,
);
