//! Statements on their way to the database: each is counted, and told in the log at the level `trace`.

use crate::telemetry::metrics::Metrics;

/// What a statement is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum Purpose {
    /// A read for a request or an execution, in the scope of a tenant.
    Read,
    /// A read of the node itself, and one that answers several tenants together.
    Node,
    Write,
    /// A read of whole tables.
    Whole,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Node => "node",
            Self::Write => "write",
            Self::Whole => "whole",
        }
    }

    /// The label under which it is counted.
    fn counted_as(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read | Self::Node | Self::Whole => "read",
        }
    }
}

/// Counts a statement, and tells its text, without its values, to those who ask for the log of
/// `takeoff::statements`.
pub(in crate::storage) fn sent(metrics: &Metrics, purpose: Purpose, text: &str) {
    metrics.statement(purpose.counted_as());
    tracing::trace!(target: "takeoff::statements", purpose = purpose.name(), text, "statement");
}
