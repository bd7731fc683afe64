// graphql-ws with tokens that end: each connection begins with one, and goes on with fresh ones.

import { createClient } from 'graphql-ws';

export function createRenewing({ url, token, everyMs, webSocketImpl, onClosed }) {
  const authorization = async () => ({ authorization: `Bearer ${await token()}` });
  let timer;
  return createClient({
    url,
    webSocketImpl,
    retryAttempts: 0,
    lazy: false,
    connectionParams: authorization,
    on: {
      connected(socket) {
        timer = setInterval(async () => {
          // Where there is no token now, the next turn tries again.
          const payload = await authorization().catch(() => null);
          if (payload && socket.readyState === 1) socket.send(JSON.stringify({ type: 'ping', payload }));
        }, everyMs);
      },
      closed(event) {
        clearInterval(timer);
        onClosed?.(event);
      },
    },
  });
}
