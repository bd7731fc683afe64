//! Who is at the other end of a socket: as the HTTP request says, as `connection_init` says, and as a `ping` that
//! brings a fresh proof says.

use std::{borrow::Cow, net::IpAddr};

use axum::http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::close::Close;
use crate::{
    api::{ApiError, ClaimedIdentity, ErrorCode, TENANT_HEADER, agrees},
    auth::{Authenticated, Authenticator, Mode},
    model::Principal,
};

/// The caller as the HTTP request has it.
pub(super) struct HandshakeCaller {
    /// None where the request proves nothing.
    pub(super) caller: Option<Authenticated>,
    /// The tenant that a header names.
    pub(super) tenant: Option<String>,
    /// Where it comes from.
    pub(super) from: IpAddr,
}

/// The caller that `connection_init` names, else the one of the HTTP request. A tenant that a header names
/// stands: it may be from a proxy that knows who asks.
pub(super) async fn identify(
    authenticator: &Authenticator,
    of_request: &HandshakeCaller,
    payload: &Map<String, Value>,
) -> Result<Authenticated, Close> {
    let text = |name: &str| {
        let value = payload.get(name).filter(|value| !value.is_null());
        value.map(|value| value.as_str().unwrap_or_default())
    };
    let (proof, tenant) = (text(AUTHORIZATION.as_str()), text(TENANT_HEADER));
    if tenant.is_some() && of_request.tenant.is_some() && tenant != of_request.tenant.as_deref() {
        return Err(Close::Forbidden);
    }
    let is_trusted = authenticator.mode() == Mode::Development;
    let caller = match &of_request.caller {
        Some(caller) if is_trusted && tenant.is_none() => caller.clone(),
        Some(caller) if !is_trusted && proof.is_none() => caller.clone(),
        None if proof.is_none() => return Err(Close::Unauthorized),
        _ => {
            let tenant = tenant.or(of_request.tenant.as_deref());
            let from = of_request.from;
            let claim = ClaimedIdentity {
                proof,
                tenant,
                from,
            };
            claim
                .check(authenticator)
                .await
                .map_err(|error| refused(&error))?
        }
    };
    if agrees(&caller, tenant) {
        return Ok(caller);
    }
    Err(Close::Forbidden)
}

fn refused(error: &ApiError) -> Close {
    match error.code() {
        ErrorCode::Unavailable | ErrorCode::Internal => Close::Unavailable,
        ErrorCode::RateLimited => Close::TooManyProofs,
        _ => Close::Forbidden,
    }
}

/// The caller by the proof that a ping brings; none where it brings none. It is the one that is known already, and
/// may do no less: what runs goes on with what it was allowed before.
pub(super) async fn renewed(
    authenticator: &Authenticator,
    known: &Principal,
    from: IpAddr,
    payload: &RawValue,
) -> Result<Option<Authenticated>, Close> {
    #[derive(Deserialize)]
    struct Fresh<'a> {
        #[serde(borrow)]
        authorization: Option<Cow<'a, str>>,
    }
    if authenticator.mode() == Mode::Development {
        return Ok(None);
    }
    let fresh: Fresh<'_> = serde_json::from_str(payload.get()).map_err(|_| Close::Forbidden)?;
    let Some(proof) = fresh.authorization.as_deref() else {
        return Ok(None);
    };
    let claim = ClaimedIdentity {
        proof: Some(proof),
        tenant: Some(known.tenant().as_str()),
        from,
    };
    let caller = match claim.check(authenticator).await {
        Ok(caller) => caller,
        // Others have guessed at its address: it goes on with the proof that it has, and asks again.
        Err(error) if error.code() == ErrorCode::RateLimited => return Ok(None),
        Err(error) => return Err(refused(&error)),
    };
    let fresh = caller.principal();
    if fresh.may_go_on_for(known) {
        return Ok(Some(caller));
    }
    tracing::info!("a proof was refused: it is another caller's, or one's who may do less");
    Err(Close::Forbidden)
}
