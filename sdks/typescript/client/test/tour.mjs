// What a client has, against a server: a file is sent, followed, explained; state is changed; work is cancelled.

import { createClient, TakeoffError } from '@takeoff/client';
import WebSocket from 'ws';

// In a browser, and from Node.js 22 on, `webSocket` is left out.
const client = createClient({ url: process.env.TAKEOFF_URL, webSocket: WebSocket });

// A session, and a submit that is one submit however often it has to be sent.
const { id: sessionId } = await client.createSession({ state: { files: 0 } });
const { uploadId } = await client.upload(new Blob(['city,founded\nMalmö,1353\n']), { filename: 'cities.csv' });
const parameters = { journey_id: 'content_pipeline', filename: 'cities.csv', upload_id: uploadId };
const execution = await client.submit('compose_journey', parameters, { sessionId });

// Its events, each once, to its end; `after` goes on behind one of them.
let place;
for await (const event of execution.events()) {
  if (event.type === 'progress.reported') console.log(`${event.fraction * 100} % ${event.message}`);
  if (event.sequence === '3') place = event.cursor;
}
for await (const event of execution.events({ after: place })) console.log(event.sequence, event.type);

// Its result, or a TakeoffError with the code of the failure.
const { steps } = await execution.result({ signal: AbortSignal.timeout(60_000) });

// What was made, of what, and its bytes.
const artifact = await client.artifact(steps.parse.result.artifact_id);
const rows = await (await fetch(artifact.materializations[0].downloadUrl)).text();
const { nodes } = await client.lineage(artifact.id);
console.log(artifact.artifactType, rows.trim(), nodes.map((node) => node.artifact.artifactType));

// The state of a session by compare-and-set: `update` begins anew when another writer was first.
const session = client.session(sessionId);
await session.update((state) => ({ ...state, files: state.files + 1 }));
const stale = await session.set({}, { ifVersion: '1' }).catch((error) => error);
console.log(stale instanceof TakeoffError, stale.code, (await session.get()).state);

// Running it again, and cancelling.
const again = await execution.rerun();
console.log(again.id !== execution.id, (await again.status()).intent.intentType);
const long = await client.submit('echo', { message: 'late', delay_ms: 60_000 }, { sessionId });
await long.cancel('nobody waits for it');
console.log(await long.result().catch((error) => error.code));

// What happens in a session behind a place; without `after` it is from now on.
const { feedHead } = await client.query('query($id: ID) { feedHead(sessionId: $id) }', { id: sessionId });
const hello = await client.submit('echo', { message: 'hello' }, { sessionId });
for await (const event of client.feed({ sessionId, after: feedHead })) {
  // Others may run in the session, too.
  if (event.executionId !== hello.id) continue;
  console.log(event.sequence, event.type);
  break;
}

// Any other document; a subscription that takes `$after` and selects `cursor` goes on by itself.
const { viewer } = await client.query('{ viewer { tenantId } }');
const feed = 'subscription($after: String) { tenantEvents(after: $after) { cursor events { executionId type } } }';
for await (const { tenantEvents } of client.subscribe(feed)) {
  console.log(viewer.tenantId, tenantEvents.events.length > 0);
  break;
}
