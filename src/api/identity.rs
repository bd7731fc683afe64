//! Who asks, while the server has one development identity: the tenant comes from a header. The
//! server listens on loopback only for as long as that is so.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use super::{ApiError, RequestId};
use crate::model::{Principal, TenantId};

/// Names the tenant; `default` when it is left out.
pub const TENANT_HEADER: &str = "x-takeoff-tenant";

/// Who asks, and by which name the request goes.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The caller, or why there is none.
    pub principal: Result<Principal, ApiError>,
    /// The id that the server gave the request, if it did.
    pub request_id: Option<RequestId>,
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            principal: principal_of(&parts.headers),
            request_id: parts.extensions.get().cloned(),
        })
    }
}

/// The caller that the headers name.
///
/// # Errors
/// `BAD_USER_INPUT` when the header cannot be a tenant's name, or is there more than once.
pub(crate) fn principal_of(headers: &HeaderMap) -> Result<Principal, ApiError> {
    let mut named = headers.get_all(TENANT_HEADER).iter();
    let Some(value) = named.next() else {
        return Ok(principal(TenantId::default_tenant()));
    };
    if named.next().is_some() {
        // One of them may be from a proxy that knows who asks, and the other from who asks.
        let message = format!("{TENANT_HEADER} is there more than once");
        return Err(ApiError::bad_input(message));
    }
    principal_named(value.to_str().unwrap_or_default())
}

/// The caller from the tenant with that name.
///
/// # Errors
/// `BAD_USER_INPUT` when it cannot be a tenant's name.
pub(crate) fn principal_named(tenant: &str) -> Result<Principal, ApiError> {
    let tenant = tenant
        .parse()
        .map_err(|fault| ApiError::bad_input(format!("{TENANT_HEADER}: {fault}")))?;
    Ok(principal(tenant))
}

/// The caller from a tenant.
pub(crate) fn principal(tenant: TenantId) -> Principal {
    Principal::development(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_default_unless_the_header_names_another() {
        let mut headers = HeaderMap::new();
        assert_eq!(principal_of(&headers).unwrap().tenant().as_str(), "default");
        headers.insert(TENANT_HEADER, "team-7".parse().unwrap());
        assert_eq!(principal_of(&headers).unwrap().tenant().as_str(), "team-7");
    }

    #[test]
    fn a_header_that_names_no_tenant_is_refused() {
        let mut headers = HeaderMap::new();
        for bad in ["", "a/b", "../etc", "a, b"] {
            headers.insert(TENANT_HEADER, bad.parse().unwrap());
            assert!(principal_of(&headers).is_err(), "{bad}");
        }
        headers.insert(TENANT_HEADER, "a".parse().unwrap());
        headers.append(TENANT_HEADER, "a".parse().unwrap());
        assert!(principal_of(&headers).is_err(), "two of them");
    }
}
