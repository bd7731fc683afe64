// The documents of the client's own operations. Tests validate them against schema.graphql.

const ERROR = 'error { code message attempt retryable }';
const ERRORS = `errors {
  code message path
  ... on StaleVersion { currentVersion }
  ... on QuotaExceeded { retryAfterMs }
  ... on PolicyDenied { policyId }
  ... on IdempotencyKeyConflict { execution { id } }
}`;
const SESSION = 'id status state stateVersion userId expiresAt updatedAt';
const EXECUTION = `id status attempt waitingFor createdAt startedAt finishedAt cancelRequestedAt ${ERROR} intent { id intentType }`;

export const EXECUTION_BY_ID = `query Execution($id: ID!, $withResult: Boolean!) {
  execution(id: $id) { ${EXECUTION} result @include(if: $withResult) }
}`;

/** What tells how far an execution is, and nothing more. */
export const STATUS_EVENTS = `subscription Status($id: ID!, $after: String) {
  executionEvents(executionId: $id, after: $after) {
    cursor
    events {
      type sequence occurredAt
      ... on ExecutionStarted { attempt }
      ... on ProgressReported { fraction message }
    }
  }
}`;

export const EVENTS = `subscription Events($id: ID!, $after: String) {
  executionEvents(executionId: $id, after: $after) {
    cursor
    events {
      id type executionId sequence cursor occurredAt actor
      ... on ExecutionStarted { attempt }
      ... on ExecutionRetrying { attempt nextAttemptAt ${ERROR} }
      ... on ProgressReported { fraction message }
      ... on StepCompleted { name attempt }
      ... on ChildSubmitted { child { id intent { intentType } } }
      ... on ArtifactRegistered { artifact { id artifactType displayName } }
      ... on ArtifactTransitioned { artifact { id artifactType displayName } }
      ... on DomainEvent { name payload }
      ... on CancelRequested { reason }
      ... on ExecutionFailed { ${ERROR} }
      ... on ExecutionCancelled { reason }
    }
  }
}`;

/** That something happens in a session, not what. */
export const SESSION_ACTIVITY = `subscription SessionActivity($id: ID!, $after: String) {
  sessionEvents(sessionId: $id, after: $after) { cursor hasMorePastEvents }
}`;

export const SUBMIT = `mutation Submit($input: SubmitIntentInput!) {
  payload: submitIntent(input: $input) { execution { id } replayed ${ERRORS} }
}`;

export const WHO = `query Who { viewer { executionIdSuffix } }`;

export const RERUN = `mutation Rerun($input: RerunExecutionInput!) {
  payload: rerunExecution(input: $input) { execution { id } replayed ${ERRORS} }
}`;

export const CANCEL = `mutation Cancel($input: CancelExecutionInput!) {
  payload: cancelExecution(input: $input) { execution { ${EXECUTION} } ${ERRORS} }
}`;

export const CREATE_SESSION = `mutation CreateSession($input: CreateSessionInput!) {
  payload: createSession(input: $input) { session { ${SESSION} } ${ERRORS} }
}`;

export const SESSION_BY_ID = `query Session($id: ID!) { session(id: $id) { ${SESSION} } }`;

export const SET_STATE = `mutation SetState($input: SetSessionStateInput!) {
  payload: setSessionState(input: $input) { session { ${SESSION} } ${ERRORS} }
}`;

export const CREATE_UPLOAD = `mutation CreateUpload($input: CreateUploadInput!) {
  payload: createUpload(input: $input) { upload { id } url ${ERRORS} }
}`;

export const ARTIFACT_BY_ID = `query Artifact($id: ID!) {
  artifact(id: $id) {
    id artifactType displayName lifecycleState generation semanticDescriptor createdAt
    producedBy { intentType execution { id } }
    materializations { id format sizeBytes digest downloadUrl }
  }
}`;

export const LINEAGE = `query Lineage($roots: [ID!]!, $direction: LineageDirection!, $maxDepth: Int!, $maxNodes: Int!) {
  lineage(roots: $roots, direction: $direction, maxDepth: $maxDepth, maxNodes: $maxNodes) {
    nodes { depth isRoot artifact { id artifactType displayName lifecycleState generation } }
    edges { parentId childId intentType }
    truncated truncatedBecause
  }
}`;
