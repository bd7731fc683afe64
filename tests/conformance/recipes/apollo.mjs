// Apollo Client: queries and mutations by HTTP, subscriptions that resume.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, Observable } from '@apollo/client';
import { OperationTypeNode, print } from 'graphql';
import { createClient } from 'graphql-ws';
import { subscribeResuming } from './resume.mjs';

export function createApollo({ httpUrl, socketUrl, webSocketImpl }) {
  const socket = createClient({ url: socketUrl, webSocketImpl, retryAttempts: 0 });
  const live = new ApolloLink(({ query, variables, operationName }) =>
    new Observable((sink) => subscribeResuming(socket, { query: print(query), variables, operationName }, sink)));
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  const link = ApolloLink.split(isSubscription, live, new HttpLink({ uri: httpUrl }));
  return new ApolloClient({ link, cache: new InMemoryCache() });
}
