//! Who asks, with the services and the loaders of this one request. Every resolver starts here, so
//! no data is reached without a principal.

use async_graphql::Context;

use super::{loaders::Loaders, scalars::Json};
use crate::{
    api::ApiError,
    model::{Payload, Principal, TenantScope},
    services::Services,
};

/// The caller of one request.
pub(super) struct Caller {
    pub(super) services: Services,
    pub(super) principal: Principal,
    pub(super) scope: TenantScope,
    pub(super) loaders: Loaders,
}

impl Caller {
    /// A caller whose loaders hold nothing yet.
    pub(super) fn new(services: Services, principal: Principal) -> Self {
        let scope = principal.scope();
        Self {
            loaders: Loaders::new(&services.storage, &scope),
            services,
            principal,
            scope,
        }
    }

    /// The caller of the request that `ctx` belongs to.
    pub(super) fn of<'a>(ctx: &Context<'a>) -> Result<&'a Self, ApiError> {
        ctx.data_opt().ok_or_else(ApiError::unauthenticated)
    }

    /// The JSON of a payload, wherever it is kept.
    pub(super) async fn json(ctx: &Context<'_>, payload: &Payload) -> Result<Json, ApiError> {
        if let Some(inline) = payload.as_inline() {
            return Ok(Json(inline));
        }
        let caller = Self::of(ctx)?;
        let runtime = &caller.services.runtime;
        Ok(Json(runtime.payload(&caller.scope, payload).await?))
    }
}
