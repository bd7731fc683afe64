/** What pages use of the API. */
export { type Answer, ask, refuse, told } from './ask';
export { begin, end, find, forget, isKnown, logIn, lostProof, session } from './caller';
export { client, connection, onReturn } from './client';
export type { Document } from './document';
export { Failure } from './failure';
export { follow } from './follow';
export * as documents from './generated/documents';
export type * as types from './generated/types';
export { type Pages, usePages } from './pages';
export { base, graphiqlUrl, licencesUrl, logins, pageAt, resolved, version, wantsProof } from './place';
export { keyOf, queries, type Shown, useAsk } from './query';
export { type Store, store, useStore } from './store';
