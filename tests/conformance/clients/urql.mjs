// urql: queries and mutations by HTTP, subscriptions by its exchange over graphql-ws.

import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { onEnd, pipe, subscribe } from 'wonka';
import { httpUrl } from '../lib/server.mjs';
import { cuttable } from './socket.mjs';
import { channel, dataOf, runStory } from './story.mjs';

async function connect() {
  const { client: socket, drop } = cuttable();
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  const exchanges = [fetchExchange, subscriptionExchange({ forwardSubscription })];
  const urql = new Client({ url: httpUrl, exchanges, preferGetMethod: false });
  async function request(query, variables) {
    const run = query.startsWith('mutation') ? urql.mutation(query, variables) : urql.query(query, variables);
    return dataOf(await run.toPromise());
  }
  async function* watch(query, variables) {
    const stream = channel((sink) => {
      const results = urql.subscription(query, variables);
      return pipe(results, onEnd(() => sink.complete()), subscribe((result) => sink.next(result))).unsubscribe;
    });
    for await (const result of stream) {
      const data = dataOf(result);
      // At the end urql gives the last result once more.
      if (result.hasNext) yield data;
    }
  }
  return { request, watch, drop, close: () => socket.dispose() };
}

await runStory(connect);
