// The hooks where there is no page: on a server that renders it, nothing is asked and nothing is followed.

import assert from 'node:assert/strict';
import test from 'node:test';
import { createElement as h } from 'react';
import { renderToString } from 'react-dom/server';
import { TakeoffProvider, useClient, useConnection, useEvents, useExecution, useSession, useSubmit } from '../dist/react.js';
import { liveEvents, liveExecution, liveSession } from '../dist/live.js';
import { withServer } from './server.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test('a page is rendered on a server without asking for anything', async (t) => {
  const { client, seen } = await withServer(t);
  const actions = [];
  function Page() {
    const { execution, connection, cancel } = useExecution('exe_1');
    const { events } = useEvents('exe_1');
    const { session, set } = useSession(null);
    const { submit, isOptimistic } = useSubmit('echo');
    actions.push(cancel, set, submit);
    assert.equal(useClient(), client);
    return `${execution?.status} ${connection.status} ${events.length} ${session} ${isOptimistic} ${useConnection().status}`;
  }
  const html = renderToString(h(TakeoffProvider, { client }, h(Page)));
  assert.equal(html, 'undefined connecting 0 undefined false idle');
  assert.deepEqual([seen.posts.length, seen.sockets], [0, 0]);
  const [cancel, set, submit] = actions;
  assert.ok(cancel && submit);
  await assert.rejects(set({}), { code: 'INVALID_INPUT', path: ['input', 'sessionId'] }, 'there is no session yet');
});

test('a hook without a provider says what is missing', () => {
  assert.throws(() => renderToString(h(() => useClient())), /TakeoffProvider/);
});

test('what a page showed hundreds of times is followed by nobody, and nothing of it is left', async (t) => {
  const { client, seen } = await withServer(t, {
    onPost: ({ query }) => ({
      body: {
        data: query.includes('feedHead') ? { feedHead: 'c1' }
          : query.includes('query Session') ? { session: { id: 's', stateVersion: '1', updatedAt: 'u', state: {} } }
            : { execution: { id: 'e', status: 'RUNNING', attempt: 1 } },
      },
    }),
  });
  const keep = liveEvents(client, 'kept').listen(() => {});
  for (let round = 0; round < 10; round++) {
    const stops = [];
    for (let n = 0; n < 12; n++) {
      for (const live of [liveEvents, liveExecution, liveSession]) stops.push(live(client, `${round} ${n}`).listen(() => {}));
    }
    while (seen.subscribes.length < 1 + (round + 1) * stops.length) await pause(10);
    for (const stop of stops) stop();
  }
  while (seen.completes.length < seen.subscribes.length - 1) await pause(10);
  // What is on its way arrives.
  let posts;
  do {
    posts = seen.posts.length;
    await pause(500);
  } while (seen.posts.length > posts);
  assert.ok(posts <= 3 * 120, `${posts} requests`);
  assert.equal(seen.subscribes.length, 1 + 3 * 120);
  assert.equal(seen.sockets, 1);
  assert.equal(liveExecution(client, '0 0').value.execution, undefined);
  keep();
});
