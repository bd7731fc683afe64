//! The one gate that every request passes, whatever transport brings it: nothing of a request runs
//! before its document is known to be valid, bounded and affordable, and its variables are coerced.
//!
//! In this order: the price of parsing, size, parsing, expansion, validation, variables, cost. Then the request is paid
//! from the tenant's budget. What is counted is counted without expanding anything, so a hostile document costs no more than a plain
//! one of its size.

mod budget;
mod cost;
mod document;
mod introspection;
mod left_out;
mod limits;
mod refused;
mod request;
mod scalars;
mod tenants;
#[cfg(test)]
mod tests;
mod trusted;
mod values;
mod variables;

use std::{sync::Arc, time::Duration};

pub use limits::GateLimits;
pub(super) use refused::Refused;
pub(super) use request::Incoming;
pub(super) use tenants::Ticket;
pub use trusted::TrustedError;

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::{Request, parser::types::OperationType};
use document::Document;
use moka::sync::Cache;
use tenants::Tenants;
use trusted::Trusted;

use crate::{
    api::{ApiError, ErrorCode},
    model::{Meter, TenantId, price},
};

/// A request of more bytes takes long to be read and let in, and so does one with a document of more
/// bytes that is not known.
pub(super) const LARGE_REQUEST: usize = 4 * 1024;
const LARGE_DOCUMENT: usize = 1024;

/// Checks requests before they run, and counts those that run.
pub struct Gate {
    schema: Valid<Schema>,
    limits: GateLimits,
    /// Valid documents by their text.
    known: Cache<Arc<str>, Arc<Document>>,
    trusted: Trusted,
    tenants: Tenants,
}

/// A request that may run.
pub(super) struct Admitted {
    pub(super) request: Request,
    pub(super) kind: OperationType,
    pub(super) ticket: Option<Ticket>,
    /// The most that its answer may cost; for a subscription, each batch.
    pub(super) cost: u64,
    /// What is paid before it runs.
    paid: u64,
    /// What is not given back, however little it uses.
    least: u64,
    is_one_submit: bool,
    /// True if it begins one anonymous session and does nothing else.
    pub(super) is_one_visit: bool,
}

impl Admitted {
    /// Pays what the request may cost. Nothing of it runs before.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the tenant has spent what it may.
    pub(super) async fn pay(&self, meter: &Meter) -> Result<(), ApiError> {
        let paid = meter.pay(self.paid, self.least).await;
        paid.map_err(ApiError::over_budget)
    }

    /// Returns whether it is a submit and nothing else, so that a key outside of it can only mean
    /// that one.
    pub(super) fn takes_idempotency_key(&self) -> bool {
        self.is_one_submit
    }
}

/// Room for so many documents of a kibibyte; a larger one takes the room of several.
fn known(documents: u64) -> Cache<Arc<str>, Arc<Document>> {
    let room = |text: &Arc<str>, _: &Arc<Document>| {
        u32::try_from(text.len() / 1024 + 1).unwrap_or(u32::MAX)
    };
    Cache::builder()
        .max_capacity(documents)
        .weigher(room)
        .build()
}

impl Gate {
    /// The gate before the schema that has this text.
    ///
    /// # Errors
    /// When the text is no schema, the folder of trusted documents cannot be read, or one of them is not valid.
    pub fn new(schema: &str, limits: &GateLimits) -> Result<Self, TrustedError> {
        let schema = Schema::parse_and_validate(schema, "schema.graphql")
            .map_err(|invalid| TrustedError::Schema(invalid.errors.to_string()))?;
        let mut gate = Self {
            schema,
            limits: limits.clone(),
            known: known(limits.cached_documents),
            trusted: Trusted::default(),
            tenants: Tenants::new(limits),
        };
        if let Some(folder) = &limits.documents {
            gate.trusted = Trusted::read(folder, |text| {
                Document::check(text, &gate.schema, &gate.limits)
            })?;
        }
        Ok(gate)
    }

    /// The time limit of a query or mutation.
    pub(super) fn timeout(&self) -> Duration {
        self.limits.timeout
    }

    /// The most bytes of an answer.
    #[must_use]
    pub fn answer_bytes(&self) -> u64 {
        self.limits.answer_bytes
    }

    /// Returns whether the check of a request may take long.
    pub(super) fn takes_long(&self, incoming: &Incoming) -> bool {
        let is_new = |text: &&String| {
            text.len() > LARGE_DOCUMENT
                && self.trusted.find_text(text).is_none()
                && !self.known.contains_key(text.as_str())
        };
        incoming.bytes > LARGE_REQUEST || incoming.query.as_ref().is_some_and(|text| is_new(&text))
    }

    /// Lets a request of a tenant pass, or says why not. It has to be paid then; a document that is not known is paid
    /// by `meter` here. `may_introspect` is asked if it reads the schema.
    pub(super) fn admit(
        &self,
        incoming: Incoming,
        tenant: &TenantId,
        meter: &Meter,
        may_introspect: impl FnOnce() -> Result<(), ApiError>,
    ) -> Result<Admitted, Refused> {
        let document = self.document(&incoming, meter)?;
        let operation = document.operation(incoming.operation_name.as_deref())?;
        if introspection::is_asked_for(&document.checked, operation) {
            if !self.limits.introspection {
                let message = "introspection is switched off";
                return Err(ApiError::new(ErrorCode::Forbidden, message).into());
            }
            may_introspect()?;
        }
        let given = incoming.variables.unwrap_or_default();
        let coerced = variables::coerce(&self.schema, &document.checked, operation, &given)?;
        scalars::check_variables(&self.schema, operation, &coerced)?;
        let cost = cost::of(&document.checked, operation, &coerced);
        let most = self.limits.cost;
        if cost.most > most {
            let message = format!(
                "the request costs {}; at most {most} are allowed",
                cost.most
            );
            return Err(ApiError::new(ErrorCode::CostExceeded, message).into());
        }
        let kind = document::kind(operation);
        let ticket = match kind {
            OperationType::Subscription => None,
            OperationType::Query | OperationType::Mutation => Some(self.tenants.take(tenant)?),
        };
        let (paid, least) = match kind {
            OperationType::Query => (cost.most, cost.least),
            OperationType::Mutation => (cost.most, cost.most),
            OperationType::Subscription => (price::SUBSCRIPTION, price::SUBSCRIPTION),
        };
        let mut parsed = document.parsed.clone();
        left_out::apply(&mut parsed, operation, &coerced);
        let mut request = Request::new("").variables(variables::converted(coerced));
        request.set_parsed_query(parsed);
        request.operation_name = document.name_of(operation);
        let mut fields = operation.root_fields(&document.checked);
        let only = fields.next().filter(|_| fields.next().is_none());
        let is_one_of = |names: &[&str]| only.is_some_and(|field| names.contains(&&*field.name));
        let is_one_submit = is_one_of(&["submitIntent", "rerunExecution"]);
        let is_one_visit = is_one_of(&["createAnonymousSession"]);
        Ok(Admitted {
            request,
            kind,
            ticket,
            cost: cost.most - cost.changes,
            paid,
            least,
            is_one_submit,
            is_one_visit,
        })
    }

    /// The document of a request. One that is not known is paid for before it is looked at, valid or not.
    fn document(&self, incoming: &Incoming, meter: &Meter) -> Result<Arc<Document>, Refused> {
        let id = incoming.document_id()?;
        if let Some(trusted) = id.and_then(|id| self.trusted.find(id)) {
            return Ok(trusted);
        }
        let Some(text) = incoming.query.as_deref() else {
            // By this name clients of persisted queries know that they are to send the text.
            let message = id.map_or(
                "the request has neither query nor documentId",
                |_| "PersistedQueryNotFound",
            );
            return Err(ApiError::bad_input(message).into());
        };
        if let Some(trusted) = self.trusted.find_text(text) {
            return Ok(trusted);
        }
        if self.limits.trusted_only {
            let message = "only trusted documents are run here";
            return Err(ApiError::new(ErrorCode::Forbidden, message).into());
        }
        if let Some(known) = self.known.get(text) {
            return Ok(known);
        }
        let cost = price::document(text.len().min(self.limits.document_bytes));
        meter.pay_at_once(cost).map_err(ApiError::over_budget)?;
        let checked = Arc::new(Document::check(text, &self.schema, &self.limits)?);
        self.known.insert(text.into(), Arc::clone(&checked));
        Ok(checked)
    }
}
