/** The views and their addresses. Each page is a file of its own, loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { base } from './api';
import { Failed, Loading } from './parts/state';
import { formatSearch, parseSearch } from './search';
import { NotFound, Shell } from './shell';
import {
  artifactSearch,
  artifactsSearch,
  compareSearch,
  embedExecutionSearch,
  embedLineageSearch,
  executionSearch,
  executionsSearch,
  failuresSearch,
  lineageSearch,
  logSearch,
  noSearch,
  overviewSearch,
  scheduleFormSearch,
  schedulesSearch,
  sessionsSearch,
  submitSearch,
  typesSearch,
} from './views';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const getParentRoute = () => root;

const overview = createRoute({
  getParentRoute,
  path: '/',
  validateSearch: overviewSearch,
  component: lazyRouteComponent(() => import('./pages/overview')),
});
const executions = createRoute({
  getParentRoute,
  path: '/executions',
  validateSearch: executionsSearch,
  component: lazyRouteComponent(() => import('./pages/executions')),
});
const execution = createRoute({
  getParentRoute,
  path: '/executions/$id',
  validateSearch: executionSearch,
  component: lazyRouteComponent(() => import('./pages/execution')),
});
const artifacts = createRoute({
  getParentRoute,
  path: '/artifacts',
  validateSearch: artifactsSearch,
  component: lazyRouteComponent(() => import('./pages/artifacts')),
});
const artifact = createRoute({
  getParentRoute,
  path: '/artifacts/$id',
  validateSearch: artifactSearch,
  component: lazyRouteComponent(() => import('./pages/artifact')),
});
const lineage = createRoute({
  getParentRoute,
  path: '/lineage',
  validateSearch: lineageSearch,
  component: lazyRouteComponent(() => import('./pages/lineage')),
});
const sessions = createRoute({
  getParentRoute,
  path: '/sessions',
  validateSearch: sessionsSearch,
  component: lazyRouteComponent(() => import('./pages/sessions')),
});
const session = createRoute({
  getParentRoute,
  path: '/sessions/$id',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/session')),
});
const types = createRoute({
  getParentRoute,
  path: '/types',
  validateSearch: typesSearch,
  component: lazyRouteComponent(() => import('./pages/types')),
});
const submit = createRoute({
  getParentRoute,
  path: '/types/$name/new',
  validateSearch: submitSearch,
  component: lazyRouteComponent(() => import('./pages/submit')),
});
const schedules = createRoute({
  getParentRoute,
  path: '/schedules',
  validateSearch: schedulesSearch,
  component: lazyRouteComponent(() => import('./pages/schedules')),
});
const schedule = createRoute({
  getParentRoute,
  path: '/schedules/$id',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/schedule')),
});
const newSchedule = createRoute({
  getParentRoute,
  path: '/schedules/new',
  validateSearch: scheduleFormSearch,
  component: lazyRouteComponent(() => import('./pages/schedule/new')),
});
const operations = createRoute({
  getParentRoute,
  path: '/operations',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/operations')),
});
const operation = createRoute({
  getParentRoute,
  path: '/operations/$id',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/operation')),
});
const webhooks = createRoute({
  getParentRoute,
  path: '/webhooks',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/webhooks')),
});
const webhook = createRoute({
  getParentRoute,
  path: '/webhooks/$id',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/webhook')),
});
const newWebhook = createRoute({
  getParentRoute,
  path: '/webhooks/new',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/webhook/new')),
});
const compare = createRoute({
  getParentRoute,
  path: '/compare',
  validateSearch: compareSearch,
  component: lazyRouteComponent(() => import('./pages/compare')),
});
const failures = createRoute({
  getParentRoute,
  path: '/failures',
  validateSearch: failuresSearch,
  component: lazyRouteComponent(() => import('./pages/failures')),
});
const embedExecution = createRoute({
  getParentRoute,
  path: '/embed/execution/$id',
  validateSearch: embedExecutionSearch,
  component: lazyRouteComponent(() => import('./pages/embed/execution')),
});
const embedLineage = createRoute({
  getParentRoute,
  path: '/embed/lineage/$id',
  validateSearch: embedLineageSearch,
  component: lazyRouteComponent(() => import('./pages/embed/lineage')),
});
const runtime = createRoute({
  getParentRoute,
  path: '/runtime',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/runtime')),
});
const keys = createRoute({
  getParentRoute,
  path: '/keys',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/keys')),
});
const log = createRoute({
  getParentRoute,
  path: '/log',
  validateSearch: logSearch,
  component: lazyRouteComponent(() => import('./pages/log')),
});
const go = createRoute({
  getParentRoute,
  path: '/go/$id',
  validateSearch: noSearch,
  component: lazyRouteComponent(() => import('./pages/go')),
});

export const router = createRouter({
  routeTree: root.addChildren([
    overview,
    executions,
    execution,
    artifacts,
    artifact,
    lineage,
    sessions,
    session,
    types,
    submit,
    schedules,
    schedule,
    newSchedule,
    operations,
    operation,
    webhooks,
    webhook,
    newWebhook,
    compare,
    failures,
    embedExecution,
    embedLineage,
    runtime,
    keys,
    log,
    go,
  ]),
  basepath: base.pathname.replace(/\/$/, ''),
  parseSearch,
  stringifySearch: formatSearch,
  defaultPreload: false,
  scrollRestoration: false,
  defaultPendingComponent: () => <Loading />,
  defaultErrorComponent: ({ error, reset }) => (
    <Failed failure={error instanceof Error ? error : new Error(String(error))} again={reset} what="This page" />
  ),
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
