// What tsc must accept and refuse; nothing of it is run.

import { createClient, type ExecutionHandle } from '../src/index.js';
import { useExecution, useSubmit } from '../src/react.js';

interface Intents {
  echo: { message: string; delay_ms?: number };
}

class Text<Data, Variables> extends String {
  declare __apiType?: (variables: Variables) => Data;
}

export async function typed(): Promise<void> {
  const client = createClient<Intents>({ url: '/', token: () => ({ token: 't', expiresAt: new Date() }) });
  const handle: ExecutionHandle = await client.submit('echo', { message: 'm' }, { sessionId: 's' });
  // @ts-expect-error a parameter of another type
  await client.submit('echo', { message: 7 }, { sessionId: 's' });
  // @ts-expect-error an intent that is not there
  await client.submit('nothing', {}, { sessionId: 's' });
  // @ts-expect-error a session is needed
  await client.submit('echo', { message: 'm' }, {});
  // Without types of intents anything goes.
  await createClient().submit('anything', { at: 'all' }, { sessionId: 's' });

  // What graphql-codegen makes with `documentMode: 'string'`.
  const document = new Text<{ viewer: { actor: string } }, { id: string }>('query { viewer { actor } }');
  const { viewer } = await client.query(document, { id: 'x' });
  viewer.actor satisfies string;
  // @ts-expect-error a variable of another type
  await client.query(document, { id: 7 });
  for await (const data of client.subscribe(document, { id: 'x' })) data.viewer.actor satisfies string;
  for await (const event of handle.events({ after: 'c' })) event.sequence satisfies string;
}

export function Component(): string {
  const { result } = useExecution<{ rows: number }>('exe_1');
  const { submit, execution } = useSubmit<Intents['echo']>('echo', { sessionId: 's' });
  void submit({ message: 'm' });
  // @ts-expect-error a parameter is missing
  void submit({});
  return `${result?.rows} ${execution?.status}`;
}
