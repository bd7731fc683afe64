// What the client gives: the records of the API as its documents select them. 64-bit numbers and times are texts, as
// docs/frontends.md says.

/** A GraphQL document: a text, or what graphql-codegen makes of one with `documentMode: 'string'`. */
export type Document<Data, Variables> = string | (String & { __apiType?: (variables: Variables) => Data });

export type ExecutionStatus = 'CREATED' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

export interface ExecutionError {
  readonly code: string;
  readonly message: string;
  readonly attempt: number;
  readonly retryable: boolean;
}

export interface Execution {
  readonly id: string;
  readonly status: ExecutionStatus;
  /** 0 before the first start. */
  readonly attempt: number;
  readonly intent: { readonly id: string; readonly intentType: string };
  readonly waitingFor: 'CHILDREN' | 'LIMIT' | 'NODE' | 'QUEUE' | 'RETRY' | 'SCHEDULE' | 'WORKER' | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly error: ExecutionError | null;
}

/** One event. `type` says which of the fields below are there. */
export interface ExecutionEvent {
  readonly type: string;
  /** The same at every reading. */
  readonly id: string;
  readonly executionId: string;
  /** 1, 2, 3 within the execution. */
  readonly sequence: string;
  /** Passed as `after`, it goes on behind this event. */
  readonly cursor: string;
  readonly occurredAt: string;
  readonly actor: string | null;
  /** `execution.started`, `execution.retrying`, `step.completed`. */
  readonly attempt?: number;
  /** `execution.retrying`. */
  readonly nextAttemptAt?: string;
  /** `progress.reported`: 0 to 1. */
  readonly fraction?: number;
  /** `progress.reported`. */
  readonly message?: string | null;
  /** `execution.failed`, `execution.retrying`. */
  readonly error?: ExecutionError;
  /** `execution.cancelled`, `execution.cancel_requested`. */
  readonly reason?: string | null;
  /** `step.completed`, and of the handler's own events what is behind `domain.`. */
  readonly name?: string;
  /** Of the handler's own events. */
  readonly payload?: unknown;
  /** `child.submitted`. */
  readonly child?: { readonly id: string; readonly intent: { readonly intentType: string } } | null;
  /** `artifact.registered`, `artifact.transitioned`. */
  readonly artifact?: { readonly id: string; readonly artifactType: string; readonly displayName: string | null } | null;
}

export interface Session {
  readonly id: string;
  readonly status: 'ACTIVE' | 'CLOSED' | 'EXPIRED' | 'UPGRADED';
  readonly state: unknown;
  readonly stateVersion: string;
  readonly userId: string | null;
  readonly expiresAt: string;
  readonly updatedAt: string;
}

export type ArtifactLifecycleState = 'PENDING' | 'READY' | 'ARCHIVED' | 'DELETED' | 'FAILED';

export interface Artifact {
  readonly id: string;
  readonly artifactType: string;
  readonly displayName: string | null;
  readonly lifecycleState: ArtifactLifecycleState;
  readonly generation: number;
  readonly semanticDescriptor: unknown;
  readonly createdAt: string;
  readonly producedBy: { readonly intentType: string; readonly execution: { readonly id: string } | null };
  readonly materializations: readonly Materialization[];
}

export interface Materialization {
  readonly id: string;
  readonly format: string;
  readonly sizeBytes: string;
  readonly digest: string;
  /** A whole address from which the bytes can be fetched for some minutes. */
  readonly downloadUrl: string | null;
}

export interface LineageArtifact {
  readonly id: string;
  readonly artifactType: string;
  readonly displayName: string | null;
  readonly lifecycleState: ArtifactLifecycleState;
  readonly generation: number;
}

export interface Lineage {
  readonly nodes: readonly { readonly depth: number; readonly isRoot: boolean; readonly artifact: LineageArtifact }[];
  /** Each from a parent to a child that was made from it. */
  readonly edges: readonly { readonly parentId: string; readonly childId: string; readonly intentType: string }[];
  readonly truncated: boolean;
  readonly truncatedBecause: readonly string[];
}

/** The parameters by intent type, as `takeoff types --ts` writes them; any where nothing is said. */
export type AnyIntents = Record<string, unknown>;
