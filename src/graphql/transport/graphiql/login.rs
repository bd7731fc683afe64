//! What the page is told of the issuers where people log in. Nothing of it is secret.

use serde::Serialize;

use crate::api::escaped;

/// An issuer where people log in on the page, and the client that the page is to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageLogin {
    /// The issuer's identifier; its metadata is below it.
    pub issuer: String,
    /// The origin of that address, which the page may ask.
    #[serde(skip)]
    pub origin: String,
    /// The id by which the issuer knows the page.
    pub client_id: String,
    /// The scopes that the page asks for, with spaces between.
    pub scope: String,
    /// The service that the token is for, where the issuer wants to know.
    pub audience: Option<String>,
}

/// All of them as JSON, as the value of an attribute.
pub(super) fn listed(logins: &[PageLogin]) -> String {
    let json = serde_json::to_string(logins).unwrap_or_default();
    escaped(&json)
}
