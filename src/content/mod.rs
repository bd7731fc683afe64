//! Content by digest: bytes of any size, kept apart from what they mean.
//!
//! Content is addressed by its SHA-256 within its tenant; sharing it between tenants would tell one
//! what another has. A digest is always computed here, never taken on trust.

mod digest;
mod error;
mod payloads;
mod signing;
mod store;
mod upload;

pub use digest::Digest;
pub use error::Error;
pub use payloads::Payloads;
pub use signing::{SignatureError, Signer, load_or_create_key};
pub use store::{ContentStore, S3Options, Stored};
pub use upload::Expected;

#[cfg(test)]
mod tests;
