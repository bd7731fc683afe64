//! Reading. Every read of tenants' data takes a [`TenantScope`](crate::model::TenantScope); what is
//! not the tenant's is simply absent.

mod artifacts;
mod cancellations;
mod count;
mod endings;
mod event_range;
mod events;
mod execution_filter;
mod executions;
pub(super) mod gather;
mod limits;
mod lineage;
mod list_key;
mod listing;
mod members;
mod metadata;
mod page;
mod position;
mod queues;
mod reach;
mod relatives;
mod releases;
mod session_head;
mod sessions;
mod settled;
mod stats;
mod stored;
pub(super) mod stranded;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;

pub use artifacts::ArtifactFilter;
pub use cancellations::{Below, Cancellation, Reached};
pub use count::Count;
pub(super) use count::MOST_COUNTED;
pub(super) use endings::{Endings, endings};
pub use event_range::LogRange;
pub(super) use events::{EventPages, event_pages};
pub use events::{Feed, FeedPage, StreamName, WalFilter};
pub use execution_filter::ExecutionFilter;
pub use lineage::{Direction, Lineage, LineageEdge, LineageNode, LineageRequest, Truncation};
pub use members::Members;
pub use metadata::MetadataMember;
pub(super) use page::{Conditions, finish};
pub use page::{Page, PageRequest};
pub use position::Reading;
pub use relatives::Relation;
pub use releases::Release;
pub use session_head::{SessionHead, StateStamp};
pub(super) use session_head::{SessionHeads, session_heads};
pub use sessions::SessionFilter;
pub(super) use settled::{Settled, settled};
pub use stats::{FailureGroup, MOST_POINTS, StatsPoint, StatsRequest};
pub use stranded::LivePlace;
pub use timeline::{ChildTime, StepTime};
