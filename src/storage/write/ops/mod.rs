//! The operations, one a file: each names the rows it needs, decides on the working set, and is tested
//! beside it. What several of them do is outside of this folder.

mod advance_releases;
mod cancel;
mod cancel_below;
mod claim;
mod close_session;
mod complete;
mod create_key;
mod create_session;
mod create_upload;
mod delete_artifacts;
mod emit;
mod end_cancellation;
mod end_solitude;
mod expire_sessions;
mod finish_upload;
mod fire_timers;
mod note_key_uses;
mod record_step;
mod recover;
mod revoke_key;
mod submit;
mod sweep;
mod transition_artifact;
mod upgrade_session;
mod wake;
mod write_state;

pub use claim::{Claim, ClaimedBatch};
pub use close_session::CloseSession;
pub use complete::{Complete, Outcome};
pub use create_key::CreateKey;
pub use create_session::CreateSession;
pub use emit::Emit;
pub use record_step::RecordStep;
pub use revoke_key::RevokeKey;
pub use submit::{NewExecution, Submission, Submit};
pub use upgrade_session::UpgradeSession;
pub use write_state::{StateTarget, WriteState, WrittenState};

pub(in crate::storage) use advance_releases::AdvanceReleases;
pub(in crate::storage) use cancel::Cancel;
pub(in crate::storage) use cancel_below::CancelBelow;
pub(in crate::storage) use create_upload::CreateUpload;
pub(in crate::storage) use delete_artifacts::DeleteArtifacts;
pub(in crate::storage) use end_cancellation::EndCancellation;
pub(in crate::storage) use end_solitude::EndSolitude;
pub(in crate::storage) use expire_sessions::ExpireSessions;
pub(in crate::storage) use finish_upload::FinishUpload;
pub(in crate::storage) use fire_timers::FireTimers;
pub(in crate::storage) use note_key_uses::NoteKeyUses;
pub(in crate::storage) use recover::Recover;
pub(in crate::storage) use sweep::Sweep;
pub(in crate::storage) use transition_artifact::TransitionArtifact;
pub(in crate::storage) use wake::Wake;
