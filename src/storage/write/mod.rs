//! Writing: every change of durable state is an [`Operation`] that is gathered with others into
//! one transaction (group commit), in four phases:
//!
//! 1. *pick and lock*, always in the same order (keys, queue rows, executions, sessions,
//!    artifacts, each sorted), so that writers on other nodes cannot deadlock with this one;
//! 2. *decide* in memory, one operation after the other; a refused one changes nothing;
//! 3. *apply* what was decided by one statement a table;
//! 4. *commit*, then answer every caller and tell who waits.
//!
//! An execution's status, its events, its artifacts and its place in the queues therefore change
//! together or not at all.

mod append;
mod apply;
mod artifacts;
mod changes;
mod counts;
mod keys;
mod lifecycle;
mod limits;
mod links;
mod load;
mod marks;
mod notice;
mod offers;
mod operation;
mod ops;
mod queue;
mod removal;
mod rows;
mod sessions;
mod shares;
#[cfg(test)]
mod tests;
mod timers;
mod working;
mod writer;

pub use keys::{Key, KeyScope};
pub use notice::Notice;
pub use ops::{
    AdvanceOperation, AdvanceSchedule, AdvanceWebhook, BySecret, CancelOperation, ChangeSchedule,
    ChangeWebhook, Claim, ClaimedBatch, CloseSession, Complete, CreateKey, CreateOperation,
    CreateSchedule, CreateSession, CreateWebhook, Emit, MoveSession, NewExecution, Outcome,
    RecordDecision, RecordStep, RevokeKey, ScheduleChange, ScheduleRun, StateTarget, Submission,
    Submit, UpgradeSession, WebhookChange, WriteState, WrittenState,
};
pub use shares::Shares;
pub use working::Fence;
pub use writer::WriteOptions;

pub(super) use ops::{
    AdvanceReleases, Cancel, CancelBelow, CreateUpload, DeleteArtifacts, EndCancellation,
    EndSolitude, EndedRow, ExpireSessions, FinishUpload, FireTimers, ForgetKeys, ForgetLogouts,
    HoldOperations, HoldSchedules, HoldWebhooks, KeepEntries, MakeDataKey, MendLimits, NoteKeyUses,
    RecordCheckpoints, RecordLogout, Recover, RemoveEnded, RemoveExecutions, RollCounts,
    RotateDataKeys, Sweep, TransitionArtifact, Wake,
};
pub(super) use removal::{RemovedLog, RetoldArtifact};
pub(super) use writer::Writer;
