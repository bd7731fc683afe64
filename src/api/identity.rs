//! Who asks, for every transport alike: by headers, and over a WebSocket by the payload of `connection_init`.
//!
//! In `development` mode a header names the tenant. In `required` mode the proof does, and a tenant that is named
//! besides must be the same. Whatever is wrong is answered by one error.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header::AUTHORIZATION, request::Parts},
};

use super::{ApiError, Client, RequestId};
use crate::{
    auth::{Authenticated, Authenticator, BrowserSession, Mode, Unproven},
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

/// The caller of a request, once it is known, for what is around the routes.
#[derive(Debug, Clone, Default)]
pub struct AskedBy(Arc<OnceLock<Principal>>);

impl AskedBy {
    /// The caller.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.0.get()
    }
}

/// Who asks, and by which name the request goes.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The caller, or why there is none.
    pub caller: Result<Authenticated, ApiError>,
    /// Where there is none: who may begin an anonymous session without a proof.
    pub visitor: Option<Principal>,
    /// The id that the server gave the request, if it did.
    pub request_id: Option<RequestId>,
}

impl<S: Authenticates + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let caller = caller_of(state.authenticator(), parts).await;
        if let (Ok(caller), Some(asked_by)) = (&caller, parts.extensions.get::<AskedBy>()) {
            let _ = asked_by.0.set(caller.principal().clone());
        }
        let has_proof = caller.is_ok() || parts.headers.contains_key(AUTHORIZATION);
        let visitor = (!has_proof).then(|| state.authenticator().visitor());
        Ok(Self {
            caller,
            visitor: visitor.flatten(),
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

    /// The same, or else the visitor.
    ///
    /// # Errors
    /// Why there is neither.
    pub fn principal_or_visitor(&self) -> Result<Principal, ApiError> {
        self.principal()
            .or_else(|error| self.visitor.clone().ok_or(error))
    }
}

/// The caller that the headers name.
async fn caller_of(
    authenticator: &Authenticator,
    parts: &Parts,
) -> Result<Authenticated, ApiError> {
    let headers = &parts.headers;
    let tenant = HeaderName::from_static(TENANT_HEADER);
    if let Some(session) = parts.extensions.get::<BrowserSession>() {
        let named = text_of(headers, &tenant)?;
        let from = Client::of(&parts.extensions).address;
        let caller = authenticator.in_session(session, from).await?;
        return of_tenant(caller, named);
    }
    let claim = ClaimedIdentity {
        // Two of them prove nothing.
        proof: text_of(headers, &AUTHORIZATION).unwrap_or(Some("")),
        tenant: text_of(headers, &tenant)?,
        from: Client::of(&parts.extensions).address,
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
pub(crate) struct ClaimedIdentity<'a> {
    /// `Bearer` and a token.
    pub(crate) proof: Option<&'a str>,
    /// A tenant's name.
    pub(crate) tenant: Option<&'a str>,
    /// Where it comes from.
    pub(crate) from: IpAddr,
}

impl ClaimedIdentity<'_> {
    /// The caller, if the claim is good.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what cannot be a tenant's name where it is not the proof that names it;
    /// `UNAUTHENTICATED` for whatever is wrong with the proof; `RATE_LIMITED` when that was so too often.
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
                // What is no bearer's is refused as one that has no token.
                let token = bearer(proof).unwrap_or_default();
                self.check_token(authenticator, token).await
            }
        }
    }

    /// The holder of a token, if it is of the tenant that is named, if one is.
    async fn check_token(
        self,
        authenticator: &Authenticator,
        token: &str,
    ) -> Result<Authenticated, ApiError> {
        let caller = authenticator.bearer(token, self.from).await?;
        of_tenant(caller, self.tenant)
    }
}

/// The caller, if it is of the tenant that is named, if one is.
fn of_tenant(caller: Authenticated, named: Option<&str>) -> Result<Authenticated, ApiError> {
    if agrees(&caller, named) {
        return Ok(caller);
    }
    tracing::info!("a proof was refused: another tenant is named beside it");
    Err(ApiError::unauthenticated())
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
            Unproven::TooMany(wait) => Self::too_many_proofs(wait),
            Unproven::TooManySessions(wait) => Self::too_many_sessions(wait),
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
