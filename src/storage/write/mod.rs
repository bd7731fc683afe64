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

mod api_key;
mod append;
mod apply;
mod artifact;
mod cancel;
mod changes;
mod claim;
mod complete;
mod family;
mod handler;
mod lifecycle;
mod load;
mod notice;
mod offers;
mod operation;
mod overtaken;
mod pick;
mod recover;
mod rows;
mod session;
mod shares;
mod submit;
#[cfg(test)]
mod tests;
mod timer;
mod upload;
mod working;
mod writer;

pub use api_key::{CreateKey, RevokeKey};
pub use claim::{Claim, ClaimedBatch};
pub use complete::{Complete, Outcome};
pub use handler::{Emit, RecordStep, StateTarget, WriteState, WrittenState};
pub use notice::Notice;
pub use session::{CloseSession, CreateSession, UpgradeSession};
pub use shares::Shares;
pub use submit::{Key, KeyScope, NewExecution, Submission, Submit};
pub use working::Fence;

pub(super) use api_key::NoteKeyUses;
pub(super) use artifact::{AdvanceReleases, DeleteArtifacts, TransitionArtifact};
pub(super) use cancel::{Cancel, CancelBelow, EndCancellation};
pub(super) use claim::EndSolitude;
pub(super) use recover::{ExpireSessions, Recover, Sweep};
pub(super) use timer::{FireTimers, Wake};
pub(super) use upload::{CreateUpload, FinishUpload};
pub(super) use writer::{Settings, Writer};
