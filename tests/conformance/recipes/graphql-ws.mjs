// Plain graphql-ws.

import { createClient } from 'graphql-ws';
import { subscribeResuming } from './resume.mjs';

export function watchWithGraphqlWs({ socketUrl, webSocketImpl }, request, sink) {
  const client = createClient({ url: socketUrl, webSocketImpl, retryAttempts: 0 });
  return subscribeResuming(client, request, sink);
}
