/** The types of events that executions have by themselves. Handlers report others, whose names begin with `domain.`. */
export const knownEvents = [
  'execution.created',
  'execution.started',
  'execution.retrying',
  'execution.cancel_requested',
  'execution.completed',
  'execution.failed',
  'execution.cancelled',
  'execution.state_changed',
  'step.started',
  'step.completed',
  'progress.reported',
  'child.submitted',
  'artifact.registered',
  'artifact.transitioned',
];
