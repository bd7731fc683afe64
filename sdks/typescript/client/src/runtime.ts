// What the parts of one client share.

import type { Http } from './http.js';
import type { Socket } from './socket.js';

export interface Runtime {
  /** Where the server is; other addresses are relative to it. */
  readonly base: URL;
  readonly http: Http;
  readonly socket: Socket;
}

/** A new key for a request that may be sent again. Also where the page is not a secure context. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A version 7 UUID of now with these last 8 digits, in the form in which the server shows it: `exe_` and base 32. */
export function newId(suffix: string): string {
  const bits = BigInt(`0x${Date.now().toString(16).padStart(12, '0')}7${newKey().slice(0, 3)}8${newKey().slice(0, 7)}${suffix}`);
  // Crockford's digits, which lack i, l, o and u.
  return `exe_${bits.toString(32).padStart(26, '0').replace(/[i-v]/g, (digit) => 'jkmnpqrstvwxyz'[parseInt(digit, 32) - 18] as string)}`;
}
