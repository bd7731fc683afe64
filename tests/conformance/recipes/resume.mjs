// A subscription that goes on where a lost connection left it. `client` is one of graphql-ws with `retryAttempts: 0`:
// its own retries would ask again with the old variables and repeat the events that came before.

// Closed for good by the server: asking again would be refused again.
const FATAL = [4004, 4005, 4400, 4401, 4403, 4406, 4409, 4500];

function isPassing(problem) {
  return !Array.isArray(problem) && !FATAL.includes(problem?.code);
}

// The subscription's document takes `$after` and selects `cursor`. Gives back what ends it.
export function subscribeResuming(client, request, sink) {
  let { variables } = request;
  let failures = 0;
  let timer;
  let unsubscribe = () => {};
  function begin() {
    unsubscribe = client.subscribe({ ...request, variables }, {
      next(result) {
        failures = 0;
        sink.next(result);
        const [batch] = Object.values(result.data ?? {});
        if (batch?.cursor) variables = { ...variables, after: batch.cursor };
      },
      error(problem) {
        if (!isPassing(problem)) return sink.error(problem);
        timer = setTimeout(begin, Math.min(200 * 2 ** failures++, 10_000) * (0.5 + Math.random()));
      },
      complete: () => sink.complete(),
    });
  }
  begin();
  return () => {
    clearTimeout(timer);
    unsubscribe();
  };
}
