//! The caller of one request, with the services and the loaders for it. Every resolver starts here, so
//! no data is reached without a principal.

use std::sync::{Arc, OnceLock};

use async_graphql::Context;

use super::loaders::Loaders;
use crate::{
    api::{ApiError, RequestId},
    graphql::types::page::cursor,
    model::{Cursor, Meter, Principal, Refusal, TenantScope},
    services::Services,
};

/// The identity and the headers that a request is run with, besides its own text.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// The caller.
    pub(crate) principal: Principal,
    /// The id by which the request is found in logs.
    pub(crate) request_id: Option<RequestId>,
    /// The key of a submit that brings none itself.
    pub(crate) idempotency_key: Option<Arc<str>>,
    /// The cursor after which a subscription resumes; it takes the place of the argument `after`.
    pub(crate) last_event_id: Option<Arc<str>>,
}

impl Asking {
    /// With nothing but the caller.
    pub(crate) fn new(principal: Principal, request_id: Option<RequestId>) -> Self {
        Self {
            principal,
            request_id,
            idempotency_key: None,
            last_event_id: None,
        }
    }
}

/// The caller of one request.
pub(crate) struct Caller {
    pub(crate) services: Arc<Services>,
    pub(crate) principal: Principal,
    /// The right to the tenant's data, with the reads of this request counted.
    pub(crate) scope: TenantScope,
    /// Counts what the request reads and answers.
    pub(crate) meter: Arc<Meter>,
    /// Made when the first edge of the graph is followed; most requests follow none.
    loaders: OnceLock<Box<Loaders>>,
    /// The key of a submit that brings none itself.
    pub(crate) idempotency_key: Option<Arc<str>>,
    /// The cursor after which a subscription resumes; it takes the place of the argument `after`.
    pub(crate) last_event_id: Option<Arc<str>>,
}

impl Caller {
    /// A caller whose loaders hold nothing yet, bounded by `meter`.
    pub(crate) fn new(services: Arc<Services>, asking: Asking, meter: Arc<Meter>) -> Self {
        Self {
            loaders: OnceLock::new(),
            services,
            scope: asking.principal.clone().metered(Arc::clone(&meter)).scope(),
            meter,
            principal: asking.principal,
            idempotency_key: asking.idempotency_key,
            last_event_id: asking.last_event_id,
        }
    }

    /// The caller of the request that `ctx` belongs to.
    pub(crate) fn of<'a>(ctx: &Context<'a>) -> Result<&'a Self, ApiError> {
        ctx.data_opt().ok_or_else(ApiError::unauthenticated)
    }

    /// The caller whose reads and writes are counted for this request.
    pub(crate) fn metered(&self) -> Principal {
        self.principal.clone().metered(Arc::clone(&self.meter))
    }

    /// The caller as whoever watches events without end, with what counts the reads for it.
    pub(crate) fn watcher(&self) -> (Principal, Arc<Meter>) {
        let meter = Arc::new(self.meter.for_feed());
        (self.principal.clone().metered(Arc::clone(&meter)), meter)
    }

    /// The loaders of the request.
    pub(crate) fn loaders(&self) -> &Loaders {
        let make = || Box::new(Loaders::new(&self.services, &self.scope));
        self.loaders.get_or_init(make)
    }

    /// Forgets what was loaded: after a change, and before each batch of a subscription.
    pub(crate) fn forget(&self) {
        if let Some(loaders) = self.loaders.get() {
            loaders.reset();
        }
    }

    /// The key of a submit: that of its input, or of the request around it.
    pub(crate) fn idempotency_key(&self, own: Option<String>) -> Result<Option<String>, Refusal> {
        match (own, self.idempotency_key.as_deref()) {
            (Some(own), Some(around)) if own != around => {
                let message = "the key is another one than that of the header Idempotency-Key";
                Err(Refusal::invalid(["idempotencyKey"], message))
            }
            (own, around) => Ok(own.or_else(|| around.map(str::to_owned))),
        }
    }

    /// The cursor after which a subscription begins: that of a broken connection, else its argument.
    pub(crate) fn after(&self, argument: Option<&str>) -> Result<Option<Cursor>, ApiError> {
        cursor(self.last_event_id.as_deref().or(argument))
    }
}
