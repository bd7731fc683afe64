// Waiting, and how long.

/** The longest time that a timer takes. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The wait before a try, after so many failures: growing, bounded, and not the same for everybody. */
export function backoffMs(failures: number, maxMs = 10_000): number {
  return Math.min(200 * 2 ** failures, maxMs) * (0.5 + Math.random() / 2);
}

/** What a promise comes to, unless the signal ends the wait for it. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const slept = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return unlessAborted(slept, signal).finally(() => clearTimeout(timer));
}
