// Waiting, and how long.

/** The longest time that a timer takes. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The wait before a try, after so many failures: growing, bounded, and not the same for everybody. */
export function backoffMs(failures: number, maxMs = 10_000): number {
  return Math.min(200 * 2 ** failures, maxMs) * (0.5 + Math.random() / 2);
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
