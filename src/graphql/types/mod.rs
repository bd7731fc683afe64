//! The types of the schema that are read and answered. Inputs and payloads of one mutation stand beside
//! the mutation.

pub(crate) mod api_key;
pub(crate) mod artifact;
pub(crate) mod connection;
pub(crate) mod counted;
pub(crate) mod event;
pub(crate) mod execution;
pub(crate) mod filter;
pub(crate) mod ids;
pub(crate) mod intent;
pub(crate) mod intent_type;
pub(crate) mod json;
pub(crate) mod lineage;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod runtime_status;
pub(crate) mod scalars;
pub(crate) mod session;
pub(crate) mod total;
pub(crate) mod user_error;
pub(crate) mod viewer;
pub(crate) mod wal;
