// urql: queries and mutations by HTTP, subscriptions that resume.

import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { subscribeResuming } from './resume.mjs';

export function createUrql({ httpUrl, socketUrl, webSocketImpl }) {
  const socket = createClient({ url: socketUrl, webSocketImpl, retryAttempts: 0 });
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: subscribeResuming(socket, { query, variables }, sink) }),
  });
  return new Client({
    url: httpUrl,
    preferGetMethod: false,
    exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })],
  });
}
