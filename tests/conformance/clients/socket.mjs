// A client of graphql-ws whose socket can be cut.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { socketUrl } from '../lib/server.mjs';

// `retryAttempts` is 0, because a silent retry would subscribe again from the first event.
export function cuttable() {
  let socket;
  const client = createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    on: { opened: (opened) => { socket = opened; } },
  });
  return { client, drop: () => socket.terminate() };
}
