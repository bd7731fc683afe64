// Submit intents to a Takeoff server and follow their executions live.

export {
  Client,
  createClient,
  type ClientOptions,
  type FeedOptions,
  type LineageOptions,
  type NewSession,
  type SubmitOptions,
  type SubscribeOptions,
} from './client.js';
export type { Connection, ConnectionStatus } from './connection.js';
export { TakeoffError, type ErrorDetails, type GraphqlError, type UserError } from './error.js';
export { ExecutionHandle, type EventsOptions, type SignalOptions } from './execution.js';
export { isFinal } from './follow.js';
export type { RequestOptions } from './http.js';
export { SessionHandle, type WriteOptions } from './session.js';
export type { Following, Sink } from './socket.js';
export type { Token, TokenSource } from './token.js';
export type * from './types.js';
export type { UploadOptions, Uploaded } from './upload.js';
