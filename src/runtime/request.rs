//! Requests to submit, by clients and by running executions, and their answers.

use serde::Serialize;

use crate::model::{Execution, ExecutionId, Micros, RawJson, SessionId};

/// An intent to be submitted.
#[derive(Debug, Clone)]
pub struct SubmitIntent {
    /// The type of work.
    pub intent_type: String,
    /// The session; it exists in the tenant and is active.
    pub session_id: SessionId,
    /// The solution; the session's, or `default`, if none.
    pub solution_id: Option<String>,
    /// The handler, where several serve the type.
    pub handler_name: Option<String>,
    /// The handler's parameters, an object.
    pub parameters: RawJson,
    /// Notes of the client, an object.
    pub metadata: RawJson,
    /// Makes a repetition of the request find the same execution; at most 255 characters.
    pub idempotency_key: Option<String>,
    /// Its execution's id, where the caller chooses it: a version 7 UUID of now.
    pub execution_id: Option<ExecutionId>,
    /// Not before.
    pub run_at: Option<Micros>,
    /// 0 (first) to 9; 5 if none.
    pub priority: Option<i64>,
}

impl SubmitIntent {
    /// An intent with nothing but what it must have.
    #[must_use]
    pub fn new(intent_type: &str, session_id: SessionId, parameters: RawJson) -> Self {
        Self {
            intent_type: intent_type.to_owned(),
            session_id,
            solution_id: None,
            handler_name: None,
            parameters,
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            execution_id: None,
            run_at: None,
            priority: None,
        }
    }
}

/// A child intent of a running execution, in the session of its parent.
#[derive(Debug, Clone)]
pub struct ChildIntent {
    pub(super) intent_type: String,
    pub(super) parameters: Result<RawJson, ()>,
    pub(super) solution_id: Option<String>,
    pub(super) handler_name: Option<String>,
}

impl ChildIntent {
    /// A child of type `intent_type` with these parameters.
    pub fn new<T: Serialize + ?Sized>(intent_type: &str, parameters: &T) -> Self {
        Self {
            intent_type: intent_type.to_owned(),
            parameters: RawJson::of(parameters).map_err(|_| ()),
            solution_id: None,
            handler_name: None,
        }
    }

    /// Names the handler, where several serve the type.
    #[must_use]
    pub fn handler(mut self, handler_name: &str) -> Self {
        self.handler_name = Some(handler_name.to_owned());
        self
    }

    /// Names the solution; the parent's if none is named.
    #[must_use]
    pub fn solution(mut self, solution_id: &str) -> Self {
        self.solution_id = Some(solution_id.to_owned());
        self
    }
}

/// An accepted intent.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The execution, new or found by its key.
    pub execution: Execution,
    /// True if it was found by its key.
    pub replayed: bool,
}
