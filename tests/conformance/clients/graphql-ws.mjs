// graphql-ws, with every operation over the socket.

import assert from 'node:assert/strict';
import { cuttable } from './socket.mjs';
import { dataOf, runStory } from './story.mjs';

async function connect() {
  const { client, drop } = cuttable();
  async function* watch(query, variables) {
    for await (const result of client.iterate({ query, variables })) yield dataOf(result);
  }
  async function request(query, variables) {
    const all = [];
    for await (const data of watch(query, variables)) all.push(data);
    assert.equal(all.length, 1);
    return all[0];
  }
  return { request, watch, drop, close: () => client.dispose() };
}

// The protocol has a message of its own for a document that is refused; the library hands it over as a list.
async function refusedDocumentsAreErrorMessages() {
  const { client } = cuttable();
  for (const query of ['subscription Broken { nothing { cursor } }', 'subscription Broken {']) {
    const stream = client.iterate({ query });
    await assert.rejects(stream.next(), (errors) => Array.isArray(errors) && errors.length > 0);
  }
  await client.dispose();
}

await runStory(connect);
await refusedDocumentsAreErrorMessages();
