// A file on its way to the server: announced, then sent by PUT, by what tells how far it is.

import { CREATE_UPLOAD } from './documents.js';
import { TakeoffError, type UserError } from './error.js';
import { parsed, unreachable } from './http.js';
import type { Runtime } from './runtime.js';
import { backoffMs, sleep } from './wait.js';

export interface UploadOptions {
  /** That of the file when left out. */
  readonly filename?: string | undefined;
  /** Is told how many bytes of how many were sent. Where there is no XMLHttpRequest, at the end alone. */
  readonly onProgress?: ((sentBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Uploaded {
  readonly uploadId: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

export async function upload({ http, base }: Runtime, file: Blob, options: UploadOptions): Promise<Uploaded> {
  const { filename = (file as Partial<File>).name ?? 'file', onProgress, signal } = options;
  const input = { filename, sizeBytes: String(file.size), ...(file.type && { mimeType: file.type }) };
  type Announced = { upload: { id: string }; url: string; errors: UserError[] };
  const { upload, url } = await http.change<Announced>(CREATE_UPLOAD, input, { signal });
  const target = new URL(url, base);
  const send = globalThis.XMLHttpRequest ? sendTelling : sendPlainly;
  const end = Date.now() + http.retryMs;
  // The same bytes may be sent to the same upload again.
  for (let failures = 0; ; failures++) {
    try {
      const { digest, size_bytes } = read(await send(target, file, onProgress, signal), target);
      return { uploadId: upload.id, digest, sizeBytes: size_bytes };
    } catch (error) {
      const wait = backoffMs(failures);
      if (signal?.aborted || !(error instanceof TakeoffError) || !error.retryable || Date.now() + wait > end) throw error;
      await sleep(wait, signal);
    }
  }
}

interface Stored {
  readonly digest: string;
  readonly size_bytes: number;
  readonly error?: string;
  readonly error_code?: string;
}

function read({ status, text }: Answer, url: URL): Stored {
  const body = parsed<Stored>(text);
  if (body && status < 300 && !body.error_code) return body;
  const retryable = status >= 500 || status === 429 || status === 408 || body?.error_code === 'INCOMPLETE_BODY';
  throw new TakeoffError(body?.error_code ?? 'BAD_ANSWER', body?.error ?? `${url.origin} answered ${status}`, { status, retryable });
}

function sendTelling(url: URL, file: Blob, onProgress: UploadOptions['onProgress'], signal: AbortSignal | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal?.addEventListener('abort', abort, { once: true });
    request.upload.onprogress = ({ loaded }) => onProgress?.(Math.min(loaded, file.size), file.size);
    request.onloadend = () => {
      signal?.removeEventListener('abort', abort);
      const { status, responseText } = request;
      if (status) resolve({ status, text: responseText });
      else reject(signal?.aborted ? signal.reason : unreachable(url));
    };
    request.open('PUT', url);
    request.send(file);
  });
}

async function sendPlainly(url: URL, file: Blob, onProgress: UploadOptions['onProgress'], signal: AbortSignal | undefined): Promise<Answer> {
  try {
    const response = await fetch(url, { method: 'PUT', body: file, signal: signal ?? null });
    const text = await response.text();
    onProgress?.(file.size, file.size);
    return { status: response.status, text };
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw unreachable(url, cause);
  }
}
