//! Who asks, for every transport alike: by headers, and over a WebSocket by the payload of `connection_init`.
//!
//! In `development` mode a header names the tenant. In `required` mode the proof does, and a tenant that is named
//! besides must be the same. Whatever is wrong is answered by one error.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header::AUTHORIZATION, request::Parts},
};

use super::{ApiError, RequestId};
use crate::{
    auth::{Authenticated, Authenticator, Mode, Unproven},
    model::{Principal, TenantId},
};

/// Names the tenant; `default` when it is left out.
pub const TENANT_HEADER: &str = "x-takeoff-tenant";

/// State of routes by which their callers are known.
pub trait Authenticates {
    /// Knows the callers.
    fn authenticator(&self) -> &Authenticator;
}

impl<T: Authenticates> Authenticates for Arc<T> {
    fn authenticator(&self) -> &Authenticator {
        (**self).authenticator()
    }
}

/// Who asks, and by which name the request goes.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The caller, or why there is none.
    pub caller: Result<Authenticated, ApiError>,
    /// The id that the server gave the request, if it did.
    pub request_id: Option<RequestId>,
}

impl<S: Authenticates + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            caller: caller_of(state.authenticator(), &parts.headers).await,
            request_id: parts.extensions.get().cloned(),
        })
    }
}

impl Asker {
    /// The caller's principal.
    ///
    /// # Errors
    /// Why there is none.
    pub fn principal(&self) -> Result<Principal, ApiError> {
        let caller = self.caller.as_ref().map_err(Clone::clone)?;
        Ok(caller.principal().clone())
    }
}

/// The caller that the headers name.
async fn caller_of(
    authenticator: &Authenticator,
    headers: &HeaderMap,
) -> Result<Authenticated, ApiError> {
    let tenant = HeaderName::from_static(TENANT_HEADER);
    let claim = Claim {
        // Two of them prove nothing.
        proof: text_of(headers, &AUTHORIZATION).unwrap_or(Some("")),
        tenant: text_of(headers, &tenant)?,
    };
    claim.check(authenticator).await
}

/// The text of a header; empty for one that no text can be.
fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut named = headers.get_all(name).iter();
    let first = named.next();
    if named.next().is_some() {
        // One of them may be from a proxy that knows who asks, and the other from who asks.
        let message = format!("{name} is there more than once");
        return Err(ApiError::bad_input(message));
    }
    Ok(first.map(|value| value.to_str().unwrap_or_default()))
}

/// The proof and the tenant that a request names, unchecked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    /// `Bearer` and a token.
    pub(crate) proof: Option<&'a str>,
    /// A tenant's name.
    pub(crate) tenant: Option<&'a str>,
}

impl Claim<'_> {
    /// The caller, if the claim is good.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what cannot be a tenant's name where it is not the proof that names it;
    /// `UNAUTHENTICATED` for whatever is wrong with the proof.
    pub(crate) async fn check(
        self,
        authenticator: &Authenticator,
    ) -> Result<Authenticated, ApiError> {
        match authenticator.mode() {
            Mode::Development => {
                let tenant = self.tenant.map(tenant_named).transpose()?;
                let tenant = tenant.unwrap_or_else(TenantId::default_tenant);
                authenticator.without_proof(tenant).map_err(Into::into)
            }
            Mode::Required => {
                let proof = self.proof.ok_or(Unproven::Missing)?;
                let token = bearer(proof).ok_or(Unproven::Bad)?;
                let caller = authenticator.bearer(token).await?;
                if agrees(&caller, self.tenant) {
                    return Ok(caller);
                }
                tracing::info!("a proof was refused: another tenant is named beside it");
                Err(ApiError::unauthenticated())
            }
        }
    }
}

/// Returns whether a caller's tenant is the one that is named, if one is.
pub(crate) fn agrees(caller: &Authenticated, named: Option<&str>) -> bool {
    let own = caller.principal().tenant().as_str();
    named.is_none_or(|tenant| tenant == own)
}

fn tenant_named(tenant: &str) -> Result<TenantId, ApiError> {
    let named = tenant.parse();
    named.map_err(|fault| ApiError::bad_input(format!("{TENANT_HEADER}: {fault}")))
}

/// The token of a bearer (RFC 6750, section 2.1).
fn bearer(proof: &str) -> Option<&str> {
    let (scheme, token) = proof.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl From<Unproven> for ApiError {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Missing | Unproven::Bad => Self::unauthenticated(),
            Unproven::Unavailable(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant_of(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
        text_of(headers, &HeaderName::from_static(TENANT_HEADER))
    }

    #[test]
    fn a_header_is_there_once_or_not_at_all() {
        let mut headers = HeaderMap::new();
        assert_eq!(tenant_of(&headers).unwrap(), None);
        headers.insert(TENANT_HEADER, "a".parse().unwrap());
        assert_eq!(tenant_of(&headers).unwrap(), Some("a"));
        headers.append(TENANT_HEADER, "a".parse().unwrap());
        assert!(tenant_of(&headers).is_err(), "two of them");
    }

    #[test]
    fn a_name_that_no_tenant_can_have_is_refused() {
        assert_eq!(tenant_named("team-7").unwrap().as_str(), "team-7");
        for bad in ["", "a/b", "../etc", "a, b"] {
            assert!(tenant_named(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_proof_is_a_bearer_token() {
        for good in ["Bearer a", "bearer a", "BEARER  a "] {
            assert_eq!(bearer(good), Some("a"), "{good}");
        }
        for bad in ["", "a", "Bearer", "Bearer ", "Basic a", "Bearera"] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }
}
