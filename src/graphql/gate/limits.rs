//! Limits of one request.

use std::{path::PathBuf, time::Duration};

/// Limits of one request. One that exceeds any of them does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateLimits {
    /// Bytes of a document.
    pub document_bytes: usize,
    /// Tokens of a document.
    pub tokens: usize,
    /// Selections of a document, each fragment counted wherever it is used.
    pub selections: u64,
    /// Levels of fields.
    pub depth: u64,
    /// Aliases, counted like selections.
    pub aliases: u64,
    /// Directives, counted like selections.
    pub directives: u64,
    /// Fields at the root of an operation.
    pub root_fields: u64,
    /// The most points that one request may cost.
    pub cost: u64,
    /// Queries and mutations of a tenant that run on this node at the same time.
    pub concurrent_operations: usize,
    /// Bytes of an answer, and of what is read for it.
    pub answer_bytes: u64,
    /// The time limit of a query or mutation.
    pub timeout: Duration,
    /// Checked documents that are kept.
    pub cached_documents: u64,
    /// Folder of trusted documents.
    pub documents: Option<PathBuf>,
    /// True if nothing but trusted documents is run.
    pub trusted_only: bool,
    /// True if introspection is answered.
    pub introspection: bool,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            document_bytes: 16 * 1024,
            tokens: 2_000,
            selections: 1_000,
            depth: 15,
            aliases: 30,
            directives: 50,
            root_fields: 20,
            cost: 1_000_000,
            concurrent_operations: 1_000,
            answer_bytes: 16 * 1024 * 1024,
            timeout: Duration::from_secs(10),
            cached_documents: 1_000,
            documents: None,
            trusted_only: false,
            introspection: true,
        }
    }
}
