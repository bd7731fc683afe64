//! Who is calling. An [`Authenticator`] turns the proof that a request carries into an [`Authenticated`] caller:
//! a principal, and when its proof ends.
//!
//! Invariant: a caller's principal is made here and nowhere else. In `required` mode there is none without a
//! proof, and its tenant is the proof's. Why a proof is refused stands in the log alone.

mod access_tokens;
mod anonymous;
mod attempts;
mod authenticated;
mod authenticator;
mod browser_sessions;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod issuers;
mod key_text;
mod keys;
mod keys_in_use;
mod logins;
mod revocation;
mod roles;
mod secrets;

pub use access_tokens::{AccessToken, AccessTokens, NewAccessToken};
pub use anonymous::{AnonymousError, AnonymousSessions, AnonymousSettings};
pub use authenticated::{Authenticated, proof_ended};
pub use authenticator::{Authenticator, Mode, Unproven};
pub use browser_sessions::{BrowserSession, BrowserSessions, MAX_PROOF_BYTES, ProofTooLong};
pub(crate) use issuers::check_url as check_issuer_url;
pub use issuers::{IssuerError, IssuerSettings, Issuers, LoginFault, LoginSettings, TenantSource};
pub use key_text::KeyText;
pub use keys::{CreatedKey, Keys, NewKey};
pub use logins::{BegunLogin, FinishedLogin, LoginError, Returned};
pub use roles::{Roles, RolesError};
pub use secrets::NewSecret;

use crate::model::{Principal, TenantId, is_name};

/// Longest name that a token gives its holder.
const MAX_ACTOR_CHARS: usize = 255;

/// Returns whether a token may give its holder this name, which no caller of another kind has.
fn is_actor_of_token(name: &str) -> bool {
    let of_others = ["operator", "development", "runtime"];
    let is_taken =
        ["key_", "ses_"].iter().any(|kind| name.starts_with(kind)) || of_others.contains(&name);
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
