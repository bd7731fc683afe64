//! Keys by which services and scripts prove who they are.

use std::sync::Arc;

use async_graphql::{ID, Object};

use super::{counted::Listed, scalars::DateTime};
use crate::model;

/// A key as it stands, without its secret.
pub(crate) struct ApiKey(pub(crate) Arc<model::ApiKey>);

/// A key by which a service or a script proves who it is. Its secret is shown when it is made, and never again.
#[Object]
impl ApiKey {
    /// Opaque id of the form `key_…`; histories record it as the actor.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The part of the key's text behind `tk_`, which is no secret: it tells keys apart.
    async fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// Its purpose.
    async fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// Its roles; what they mean is in the server's configuration.
    async fn roles(&self) -> Listed<&str> {
        self.0.rights.roles.iter().map(String::as_str).collect()
    }

    /// Its permissions besides those of its roles.
    async fn scopes(&self) -> Listed<String> {
        let scopes = self.0.rights.scopes.scopes();
        scopes.map(|scope| scope.to_string()).collect()
    }

    /// Who made it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it ends by itself; null where it does not.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// When it was last used, to about a minute; null where it was not.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }

    /// When it was revoked; null where it was not.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }
}
