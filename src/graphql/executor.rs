//! Where every transport enters: lets a request through the gate, gives it its caller, runs it,
//! completes its errors.

use std::sync::Arc;

use async_graphql::{Response, futures_util::stream::BoxStream, parser::types::OperationType};
use futures::StreamExt;

use super::{
    caller::Caller,
    error::complete,
    gate::{Admitted, Gate, Incoming, Refused},
    schema::{Schema, schema},
};
use crate::{
    api::{ApiError, ErrorCode, RequestId},
    model::{Meter, Principal},
    services::Services,
};

/// More errors than this of the fields of one answer help nobody.
const MAX_ERRORS: usize = 100;

/// The API over a set of services.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    services: Arc<Services>,
    gate: Arc<Gate>,
}

/// What a request is run with, besides what it says itself.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// Who asks.
    pub(super) principal: Principal,
    /// By what the request is found in logs.
    pub(super) request_id: Option<RequestId>,
    /// The key of a submit that brings none itself.
    pub(super) idempotency_key: Option<Arc<str>>,
    /// Where a subscription goes on, whatever its own argument says.
    pub(super) last_event_id: Option<Arc<str>>,
}

impl Asking {
    /// With nothing but the caller.
    pub(super) fn new(principal: Principal, request_id: Option<RequestId>) -> Self {
        Self {
            principal,
            request_id,
            idempotency_key: None,
            last_event_id: None,
        }
    }
}

/// A request that passed the gate.
pub(super) struct Ready {
    admitted: Admitted,
    meter: Arc<Meter>,
    request_id: Option<RequestId>,
}

impl Ready {
    /// What kind of operation it is.
    pub(super) fn kind(&self) -> OperationType {
        self.admitted.kind
    }
}

impl Api {
    /// The API over `services`, behind `gate`.
    #[must_use]
    pub fn new(services: Services, gate: Gate) -> Self {
        Self {
            schema: schema(),
            services: Arc::new(services),
            gate: Arc::new(gate),
        }
    }

    /// Lets a request pass, or says why not; nothing of it has run then.
    pub(super) fn admit(&self, incoming: Incoming, asking: Asking) -> Result<Ready, Refused> {
        let mut admitted = self.gate.admit(incoming, &asking.principal)?;
        if asking.idempotency_key.is_some() && !admitted.takes_idempotency_key() {
            let message = "Idempotency-Key goes with one submitIntent or rerunExecution";
            return Err(ApiError::bad_input(message).into());
        }
        let request_id = asking.request_id.clone();
        let meter = Arc::new(Meter::new(self.gate.answer_bytes()));
        let caller = Caller::new(Arc::clone(&self.services), asking, Arc::clone(&meter));
        admitted.request = admitted.request.data(caller);
        Ok(Ready {
            admitted,
            meter,
            request_id,
        })
    }

    /// Runs a query or a mutation. One that takes too long is given up, and so is a query whose
    /// answer gets too large; what a mutation has committed by then stays.
    pub(super) async fn execute(&self, ready: Ready) -> Response {
        let Ready {
            admitted,
            meter,
            request_id,
        } = ready;
        let is_query = admitted.kind == OperationType::Query;
        let failed =
            |error: ApiError| Response::from_errors(Refused::from(error).into_errors(None));
        let running = self.schema.execute(admitted.request);
        let running = tokio::time::timeout(self.gate.timeout(), running);
        let mut response = tokio::select! {
            biased;
            () = meter.spent(), if is_query => failed(meter.refusal().into()),
            ran = running => ran.unwrap_or_else(|_| {
                failed(ApiError::new(ErrorCode::Timeout, "the request took too long"))
            }),
        };
        if is_query && meter.is_spent() {
            response = failed(meter.refusal().into());
        }
        response.errors.truncate(MAX_ERRORS);
        drop(admitted.ticket);
        complete(&mut response.errors, request_id.as_ref());
        response
    }

    /// Runs any operation; queries and mutations answer once.
    pub(super) fn execute_stream(&self, ready: Ready) -> BoxStream<'static, Response> {
        if ready.kind() != OperationType::Subscription {
            let this = self.clone();
            return futures::stream::once(async move { this.execute(ready).await }).boxed();
        }
        let request_id = ready.request_id;
        let responses = self.schema.execute_stream(ready.admitted.request);
        let completed = responses.map(move |mut response| {
            response.errors.truncate(MAX_ERRORS);
            complete(&mut response.errors, request_id.as_ref());
            response
        });
        completed.boxed()
    }
}
