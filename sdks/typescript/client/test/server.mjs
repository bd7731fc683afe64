// A server of graphql-transport-ws and of POST for unit tests, which does what each test says.

import { createServer } from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';
import { createClient } from '../dist/index.js';

export async function startServer({ onSubscribe = () => {}, onInit, onPing, onPost, onUpgrade } = {}) {
  const seen = { sockets: 0, subscribes: [], completes: [], inits: [], pings: [], posts: [] };
  const sockets = new Set();
  const http = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const post = { headers: request.headers, ...JSON.parse(text) };
    seen.posts.push(post);
    const answer = await onPost(post, seen.posts.length);
    if (answer === 'cut') return request.socket.destroy();
    const { status = 200, body } = answer;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => 'graphql-transport-ws' });
  http.on('upgrade', (request, socket, head) => {
    if (onUpgrade?.()) return socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n');
    return server.handleUpgrade(request, socket, head, (one) => server.emit('connection', one));
  });
  server.on('connection', (socket) => {
    seen.sockets++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const say = (message) => socket.send(JSON.stringify(message));
    const tools = {
      socket,
      say,
      next: (id, batch) => say({ type: 'next', id, payload: { data: { feed: batch } } }),
      complete: (id) => say({ type: 'complete', id }),
      cut: () => socket.terminate(),
    };
    socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.type === 'connection_init') {
        seen.inits.push(message.payload);
        if (onInit?.(message.payload, tools, seen.inits.length)) return;
        say({ type: 'connection_ack' });
      }
      if (message.type === 'ping') {
        seen.pings.push(message.payload);
        if (!onPing?.(message.payload, tools)) say({ type: 'pong' });
      }
      if (message.type === 'complete') seen.completes.push(message.id);
      if (message.type === 'subscribe') {
        seen.subscribes.push(message.payload.variables);
        onSubscribe(message.id, message.payload, tools, seen.subscribes.length);
      }
    });
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${http.address().port}`,
    seen,
    async stop() {
      for (const socket of sockets) socket.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

export const FEED = 'subscription Feed($after: String) { feed(after: $after) { cursor n } }';

// A client of a server of the test's own.
export async function withServer(t, behaviour, options = {}) {
  const server = await startServer(behaviour);
  const client = createClient({ url: server.url, webSocket: WebSocket, ...options });
  t.after(async () => {
    client.close();
    await server.stop();
  });
  return { client, seen: server.seen };
}

// Waits until the client tells of such a connection.
export const untilTold = (client, isIt) => new Promise((resolve) => {
  if (isIt(client.connection)) return resolve();
  const stop = client.onConnection((connection) => {
    if (!isIt(connection)) return;
    stop();
    resolve();
  });
  return undefined;
});
