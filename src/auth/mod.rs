//! Who is calling. An [`Authenticator`] turns the proof that a request carries into an [`Authenticated`] caller:
//! a principal, and when its proof ends.
//!
//! Invariant: a caller's principal is made here and nowhere else. In `required` mode there is none without a
//! proof, and its tenant is the proof's. Why a proof is refused stands in the log alone.

mod access_tokens;
mod authenticated;
mod authenticator;
mod issuers;
mod key_text;
mod keys;
mod keys_in_use;
mod revocation;
mod roles;

pub use access_tokens::{AccessToken, AccessTokens, NewAccessToken};
pub use authenticated::{Authenticated, proof_ended};
pub use authenticator::{Authenticator, Mode, Unproven};
pub use issuers::{IssuerError, IssuerSettings, Issuers, TenantSource};
pub use key_text::KeyText;
pub use keys::{CreatedKey, Keys, NewKey};
pub use roles::{Roles, RolesError};

use crate::model::{Principal, TenantId, is_name};

/// Longest name that a token gives its holder.
const MAX_ACTOR_CHARS: usize = 255;

/// Returns whether a token may give its holder this name, which no caller of another kind has.
fn is_actor_of_token(name: &str) -> bool {
    let of_others = ["operator", "development", "runtime"];
    let is_taken = name.starts_with("key_") || of_others.contains(&name);
    !is_taken && is_name(name, MAX_ACTOR_CHARS)
}

/// The program that a node is part of, which may do everything.
pub(crate) fn program(tenant: TenantId) -> Principal {
    Principal::development(tenant)
}

/// Whoever has the machine with the database.
pub(crate) fn operator(tenant: TenantId) -> Principal {
    Principal::operator(tenant)
}
