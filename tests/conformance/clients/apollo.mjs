// Apollo Client: queries and mutations by HTTP, subscriptions by its link for graphql-ws.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { httpUrl } from '../lib/server.mjs';
import { cuttable } from './socket.mjs';
import { channel, dataOf, runStory } from './story.mjs';

async function connect() {
  const { client: socket, drop } = cuttable();
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  const link = ApolloLink.split(isSubscription, new GraphQLWsLink(socket), new HttpLink({ uri: httpUrl }));
  const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
  async function request(text, variables) {
    const document = gql(text);
    const isMutation = document.definitions[0].operation === OperationTypeNode.MUTATION;
    if (isMutation) return dataOf(await apollo.mutate({ mutation: document, variables }));
    return dataOf(await apollo.query({ query: document, variables, fetchPolicy: 'network-only' }));
  }
  async function* watch(text, variables) {
    const results = apollo.subscribe({ query: gql(text), variables });
    const stream = channel((sink) => {
      const subscription = results.subscribe(sink);
      return () => subscription.unsubscribe();
    });
    for await (const result of stream) yield dataOf(result);
  }
  const close = async () => {
    apollo.stop();
    await socket.dispose();
  };
  return { request, watch, drop, close };
}

await runStory(connect);
