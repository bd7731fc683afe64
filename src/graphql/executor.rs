//! The entry for every transport: lets a request through the gate, gives it its caller, runs it,
//! completes its errors.

use std::sync::Arc;

use async_graphql::{Response, futures_util::stream::BoxStream, parser::types::OperationType};
use axum::body::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{
    error::complete,
    gate::{Admitted, Gate, Incoming, LARGE_REQUEST, Refused},
    loading::{Asking, Caller},
    schema::{Schema, schema},
};
use crate::{
    api::{ApiError, ErrorCode, Port, RequestId, RequestThreads},
    auth::Authenticator,
    model::{Meter, Principal, TenantId, price},
    quotas::{Hold, Quota},
    services::Services,
};

/// The most errors of one answer; more of them help nobody.
const MAX_ERRORS: usize = 100;

/// Writing an answer with more bytes of text takes long.
const LARGE_ANSWER: u64 = 256 * 1024;
/// A subscription whose batches may cost more is costly: most batches have few events.
const COSTLY_BATCH: u64 = 10 * price::COSTLY;

/// The API over a set of services.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    services: Arc<Services>,
    gate: Arc<Gate>,
    port: Port,
}

/// A request that was paid for before it is read.
pub(super) struct Entered(Arc<Meter>);

/// A request that passed the gate.
pub(super) struct Ready {
    admitted: Admitted,
    /// The place of a subscription.
    hold: Option<Hold>,
    meter: Arc<Meter>,
    request_id: Option<RequestId>,
}

impl Ready {
    /// The kind of the operation.
    pub(super) fn kind(&self) -> OperationType {
        self.admitted.kind
    }

    /// Returns whether it begins one anonymous session and does nothing else.
    pub(super) fn is_one_visit(&self) -> bool {
        self.admitted.is_one_visit
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
            port: Port::Main,
        }
    }

    /// The same API as it is on a port.
    #[must_use]
    pub(super) fn at(&self, port: Port) -> Self {
        Self {
            port,
            ..self.clone()
        }
    }

    /// Knows the callers.
    pub(super) fn authenticator(&self) -> &Authenticator {
        &self.services.authenticator
    }

    /// The threads for the tasks of connections.
    pub(super) fn threads(&self) -> &RequestThreads {
        &self.services.threads
    }

    /// Charges the base price of a request.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the tenant has spent what it may.
    pub(super) async fn enter(&self, principal: &Principal) -> Result<Entered, ApiError> {
        let (budget, tenant) = (&self.services.budget, principal.tenant());
        let entered = budget.enter(tenant).await;
        entered.map_err(ApiError::over_budget)?;
        let meter = budget.meter(tenant, self.gate.answer_bytes());
        Ok(Entered(Arc::new(meter)))
    }

    /// Reads a request.
    pub(super) async fn read(
        &self,
        Entered(meter): &Entered,
        body: Bytes,
    ) -> Result<Incoming, ApiError> {
        if body.len() <= LARGE_REQUEST {
            return Incoming::read(&body);
        }
        let read = async move { Incoming::read(&body) };
        self.services.threads.run(meter, read).await?
    }

    /// Reads a large message that may not be a request, once its sender owes nothing.
    pub(super) async fn read_long<T: Send + 'static>(
        &self,
        principal: &Principal,
        read: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let meter = self.services.budget.meter(principal.tenant(), 0);
        meter.out_of_debt().await;
        self.services.threads.run(&meter, read).await
    }

    /// Lets a request pass, or says why not; nothing of it has run then.
    pub(super) async fn admit(
        &self,
        Entered(meter): Entered,
        incoming: Incoming,
        asking: Asking,
    ) -> Result<Ready, Refused> {
        meter.charge(price::body(incoming.bytes));
        meter.begin().await;
        let tenant = asking.principal.tenant().clone();
        let mut ready = if self.gate.takes_long(&incoming) {
            let (this, admitting) = (self.clone(), Arc::clone(&meter));
            let admit = async move { this.admit_now(admitting, incoming, asking).await };
            self.services.threads.run(&meter, admit).await??
        } else {
            self.admit_now(meter, incoming, asking).await?
        };
        if ready.kind() == OperationType::Subscription {
            ready.hold = Some(self.open(&tenant, Quota::Subscriptions).await?);
        }
        Ok(ready)
    }

    /// Opens what a tenant may have open so many of.
    ///
    /// # Errors
    /// `RATE_LIMITED` when it has them.
    pub(super) async fn open(&self, tenant: &TenantId, quota: Quota) -> Result<Hold, ApiError> {
        Ok(self.services.quotas.open(tenant, quota).await?)
    }

    async fn admit_now(
        &self,
        meter: Arc<Meter>,
        incoming: Incoming,
        asking: Asking,
    ) -> Result<Ready, Refused> {
        let principal = &asking.principal;
        let may_introspect = || self.port.check_operator(principal);
        let tenant = principal.tenant();
        let mut admitted = self.gate.admit(incoming, tenant, &meter, may_introspect)?;
        admitted.pay(&meter).await?;
        if asking.idempotency_key.is_some() && !admitted.takes_idempotency_key() {
            let message = "Idempotency-Key goes with one submitIntent or rerunExecution";
            return Err(ApiError::bad_input(message).into());
        }
        let request_id = asking.request_id.clone();
        let caller = Caller::new(Arc::clone(&self.services), asking, Arc::clone(&meter));
        admitted.request = admitted.request.data(caller);
        Ok(Ready {
            admitted,
            hold: None,
            meter,
            request_id,
        })
    }

    /// Runs a query or a mutation, and shows what it answers. What takes long is done on threads of
    /// its own.
    ///
    /// # Errors
    /// `TIMEOUT` when its turn does not come in time.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        ready: Ready,
        show: impl FnOnce(Response) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (threads, meter) = (&self.services.threads, Arc::clone(&ready.meter));
        if ready.admitted.cost <= price::COSTLY {
            let response = self.execute(ready).await;
            if meter.usage().text_bytes <= LARGE_ANSWER {
                return Ok(show(response));
            }
            return threads.run(&meter, async move { show(response) }).await;
        }
        let this = self.clone();
        let running = threads.run(&meter, async move { show(this.execute(ready).await) });
        let done = tokio::time::timeout(self.gate.timeout(), running).await;
        done.unwrap_or_else(|_| Err(took_too_long()))
    }

    /// Runs a query or a mutation. One that takes too long is given up, and so is a query whose
    /// answer gets too large; what a mutation has committed by then stays.
    async fn execute(&self, ready: Ready) -> Response {
        let Ready {
            admitted,
            meter,
            request_id,
            ..
        } = ready;
        let is_query = admitted.kind == OperationType::Query;
        let failed =
            |error: ApiError| Response::from_errors(Refused::from(error).into_errors(None));
        let running = self.schema.execute(admitted.request);
        let running = tokio::time::timeout(self.gate.timeout(), running);
        let mut response = tokio::select! {
            biased;
            () = meter.spent(), if is_query => failed(meter.refusal().into()),
            ran = running => ran.unwrap_or_else(|_| failed(took_too_long())),
        };
        if is_query && meter.is_spent() {
            response = failed(meter.refusal().into());
        }
        response.errors.truncate(MAX_ERRORS);
        drop(admitted.ticket);
        complete(&mut response.errors, request_id.as_ref());
        response
    }

    /// Runs a subscription. Each batch is paid when it is made, and the next one waits while the
    /// tenant owes.
    pub(super) fn subscribe(&self, ready: Ready) -> BoxStream<'static, Response> {
        let is_costly = ready.admitted.cost > COSTLY_BATCH;
        let responses = self.batches(ready);
        if !is_costly {
            return responses.boxed();
        }
        let (sender, receiver) = mpsc::channel(1);
        let sending = async move {
            let mut responses = std::pin::pin!(responses);
            while let Some(response) = responses.next().await {
                if sender.send(response).await.is_err() {
                    return;
                }
            }
        };
        let task = self
            .services
            .threads
            .costly()
            .spawn(sending.in_current_span());
        let channel = (receiver, AbortOnDropHandle::new(task));
        futures::stream::unfold(channel, async |(mut receiver, task)| {
            let response = receiver.recv().await?;
            Some((response, (receiver, task)))
        })
        .boxed()
    }

    fn batches(&self, ready: Ready) -> impl Stream<Item = Response> + Send + use<> {
        let Ready {
            admitted,
            hold,
            meter,
            request_id,
        } = ready;
        // Until there is something to deliver it is no request that runs.
        meter.renew();
        let mut responses = self.schema.execute_stream(admitted.request).boxed();
        async_stream::stream! {
            let _hold = hold;
            loop {
                meter.out_of_debt().await;
                let Some(mut response) = responses.next().await else {
                    return;
                };
                meter.charge(price::DELIVERY);
                meter.renew();
                response.errors.truncate(MAX_ERRORS);
                complete(&mut response.errors, request_id.as_ref());
                yield response;
            }
        }
    }
}

fn took_too_long() -> ApiError {
    ApiError::new(ErrorCode::Timeout, "the request took too long")
}
