// graphql-sse in its mode of distinct connections: a request with an event stream for each operation.

import assert from 'node:assert/strict';
import { createClient } from 'graphql-sse';
import { streamUrl } from '../lib/server.mjs';
import { dataOf, runStory } from './story.mjs';

async function connect() {
  let connection = new AbortController();
  const fetchFn = (url, options) => fetch(url, { ...options, signal: AbortSignal.any([options.signal, connection.signal]) });
  const client = createClient({ url: streamUrl, singleConnection: false, retryAttempts: 0, fetchFn });
  async function* watch(query, variables) {
    for await (const result of client.iterate({ query, variables })) yield dataOf(result);
  }
  async function request(query, variables) {
    const all = [];
    for await (const data of watch(query, variables)) all.push(data);
    assert.equal(all.length, 1);
    return all[0];
  }
  const drop = () => {
    connection.abort();
    connection = new AbortController();
  };
  return { request, watch, drop, close: () => client.dispose() };
}

await runStory(connect);
