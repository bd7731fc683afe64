//! Content by digest: bytes of any size, kept apart from what they mean.
//!
//! Content is addressed by its SHA-256 within its tenant; sharing it between tenants would tell one
//! what another has. A digest is always computed here, never taken on trust.

mod digest;
mod error;
mod open;
mod packed;
mod payloads;
mod plain;
mod read;
mod signing;
mod store;
mod sweep;
mod unreferenced;
mod upload;

pub use digest::Digest;
pub use error::Error;
pub use open::S3Options;
pub use packed::{Packed, Packer};
pub use payloads::Payloads;
pub use read::{ContentStream, LineWindow};
pub use signing::{Link, SignatureError, Signer};
pub use store::{ContentStore, Stored};
pub(crate) use unreferenced::StoredObject;
pub use upload::Expected;

#[cfg(test)]
mod tests;
