//! The caller, as the server identified it.

use async_graphql::SimpleObject;
use data_encoding::HEXLOWER;

use super::counted::Listed;
use crate::model::Principal;

/// The caller.
#[derive(SimpleObject)]
pub(crate) struct Viewer {
    /// The tenant whose data is reached.
    tenant_id: String,
    /// The name that histories record.
    actor: String,
    /// The last 8 digits of a version 7 UUID that it chooses as the id of an execution.
    execution_id_suffix: String,
    /// Its rights.
    scopes: Listed<String>,
}

impl From<&Principal> for Viewer {
    fn from(principal: &Principal) -> Self {
        Self {
            tenant_id: principal.tenant().to_string(),
            actor: principal.actor().to_string(),
            execution_id_suffix: HEXLOWER.encode(&principal.execution_id_suffix()),
            scopes: principal
                .grants()
                .scopes()
                .map(|it| it.to_string())
                .collect(),
        }
    }
}
