// GraphiQL for this server: queries and mutations by HTTP, subscriptions by graphql-transport-ws.
'use strict';

(() => {
  const { React, ReactDOM, GraphiQL, GraphiQLPluginExplorer, graphqlWs } = window;
  const socketUrl = new URL('graphql/ws', location.origin);
  socketUrl.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';

  function isSubscription({ operationName }, options) {
    const definitions = options?.documentAST?.definitions ?? [];
    const operations = definitions.filter(({ kind }) => kind === 'OperationDefinition');
    const chosen = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
    return chosen?.operation === 'subscription';
  }

  async function post(request, headers) {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { accept: 'application/json', ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    return response.json();
  }

  // A connection of its own for each subscription: what the header editor says goes with it.
  async function* follow(request, headers) {
    const named = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
    const client = graphqlWs.createClient({ url: socketUrl.href, connectionParams: Object.fromEntries(named) });
    try {
      yield* client.iterate(request);
    } finally {
      client.dispose();
    }
  }

  const fetcher = (request, options) =>
    isSubscription(request, options) ? follow(request, options?.headers) : post(request, options?.headers);

  async function show() {
    const asked = new URLSearchParams(location.search);
    const tour = await (await fetch(document.documentElement.dataset.tour)).text();
    const variables = JSON.stringify({ session: 'ses_…', execution: 'exe_…', artifact: 'art_…' }, null, 2);
    const given = asked.get('query');
    const props = {
      fetcher,
      defaultQuery: '',
      defaultTabs: [{ query: tour, variables }],
      defaultEditorToolsVisibility: 'variables',
      shouldPersistHeaders: false,
      plugins: [GraphiQLPluginExplorer.explorerPlugin()],
    };
    if (given !== null) {
      // A tab of its own, which a link may fill; what the reader had is not touched.
      props.defaultTabs = [{ query: given, variables: asked.get('variables') ?? '' }, ...props.defaultTabs];
      props.storage = forgetful();
    }
    ReactDOM.createRoot(document.getElementById('graphiql')).render(React.createElement(GraphiQL, props));
  }

  // Keeps what is written in this page only.
  function forgetful() {
    const kept = new Map();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
      clear: () => kept.clear(),
      get length() {
        return kept.size;
      },
    };
  }

  show();
})();
