//! The operations of one socket. Each runs in a task of its own, so that an event wakes the
//! operation it is for and no other. What they say goes through one bounded channel to the
//! connection, which lets nothing of an operation pass that has ended.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Response, ServerError, Value, parser::types::OperationType};
use axum::extract::ws::Message;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::message::ServerMessage;
use crate::{
    api::{ApiError, EndOnDrop, ErrorCode},
    graphql::{Api, error::refusal, gate::Incoming, loading::Asking},
    model::Priority,
};

/// A message of an operation to the client. It is boxed on its way: a channel keeps places for 32 items
/// even when it is empty.
pub(super) struct Outgoing {
    id: Arc<str>,
    run: u64,
    message: Message,
    is_last: bool,
}

/// The operations of one socket that have not ended.
pub(super) struct Operations {
    live: HashMap<Arc<str>, Live>,
    outgoing: mpsc::Sender<Box<Outgoing>>,
    /// Tells an operation from earlier ones with its id.
    last_run: u64,
}

struct Live {
    run: u64,
    _task: EndOnDrop,
}

impl Operations {
    /// No operations yet; those to come speak through `outgoing`.
    pub(super) fn new(outgoing: mpsc::Sender<Box<Outgoing>>) -> Self {
        Self {
            live: HashMap::new(),
            outgoing,
            last_run: 0,
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.live.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Runs a request under an id that no live operation has.
    pub(super) fn start(&mut self, id: &str, request: Incoming, caller: &OperationCaller) {
        self.last_run += 1;
        let run = self.last_run;
        let id: Arc<str> = id.into();
        let operation = Operation {
            caller: caller.clone(),
            id: Arc::clone(&id),
            run,
            outgoing: self.outgoing.clone(),
        };
        let threads = caller.api.threads().clone();
        let task = threads.follow_while_held(Priority::current(), operation.run(request));
        self.live.insert(id, Live { run, _task: task });
    }

    /// Ends an operation, if it is still there.
    pub(super) fn stop(&mut self, id: &str) {
        self.live.remove(id);
    }

    /// Ends all of them.
    pub(super) fn stop_all(&mut self) {
        self.live.clear();
    }

    /// Returns the message for the client: none of an operation that was stopped meanwhile. After the
    /// last message the id is free again.
    pub(super) fn pass(&mut self, outgoing: Outgoing) -> Option<Message> {
        let is_live = |live: &Live| live.run == outgoing.run;
        if !self.live.get(&outgoing.id).is_some_and(is_live) {
            return None;
        }
        if outgoing.is_last {
            self.live.remove(&outgoing.id);
        }
        Some(outgoing.message)
    }
}

/// The identity that operations run under, and the API that runs them.
#[derive(Clone)]
pub(super) struct OperationCaller {
    pub(super) api: Api,
    pub(super) asking: Asking,
}

impl OperationCaller {
    /// The errors of an operation that is not run, or cannot go on.
    pub(super) fn refusal(&self, error: ApiError) -> Vec<ServerError> {
        refusal(error, self.asking.request_id.as_ref())
    }
}

/// One operation.
struct Operation {
    caller: OperationCaller,
    id: Arc<str>,
    run: u64,
    outgoing: mpsc::Sender<Box<Outgoing>>,
}

impl Operation {
    /// Runs to the end, which is `complete` or, when there is nothing to run or a fault of the
    /// server, `error`.
    async fn run(self, request: Incoming) {
        let answered = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let errors = match answered {
            Ok(Ok(())) => None,
            Ok(Err(errors)) => Some(errors),
            Err(_) => {
                tracing::error!("an operation panicked");
                let error = ApiError::new(ErrorCode::Internal, "internal error");
                Some(self.caller.refusal(error))
            }
        };
        let last = match &errors {
            None => ServerMessage::Complete { id: &self.id },
            Some(errors) => ServerMessage::Error {
                id: &self.id,
                payload: errors,
            },
        };
        if let Err(error) = self.say(&last, true).await {
            tracing::error!(%error, "the end of an operation cannot be written");
        }
    }

    async fn answer(&self, request: Incoming) -> Result<(), Vec<ServerError>> {
        let OperationCaller { api, asking } = &self.caller;
        let entered = api.enter(&asking.principal).await;
        let entered = entered.map_err(|error| self.caller.refusal(error))?;
        let admitted = api.admit(entered, request, asking.clone()).await;
        let ready = admitted.map_err(|refused| refused.into_errors(asking.request_id.as_ref()))?;
        if ready.kind() != OperationType::Subscription {
            let id = Arc::clone(&self.id);
            let shown = api.run(ready, move |response| {
                if is_refusal(&response) {
                    return Err(response.errors);
                }
                let next = ServerMessage::Next {
                    id: &id,
                    payload: &response,
                };
                Ok(next.to_text())
            });
            let shown = shown.await.map_err(|error| self.caller.refusal(error))??;
            return self
                .pass(shown, false)
                .await
                .map_err(|error| self.failed(&error));
        }
        let mut responses = api.subscribe(ready);
        let mut is_first = true;
        while let Some(response) = responses.next().await {
            if is_first && is_refusal(&response) {
                return Err(response.errors);
            }
            is_first = false;
            let next = ServerMessage::Next {
                id: &self.id,
                payload: &response,
            };
            let said = self.say(&next, false).await;
            said.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    async fn say(
        &self,
        message: &ServerMessage<'_>,
        is_last: bool,
    ) -> Result<(), serde_json::Error> {
        self.pass(message.to_text(), is_last).await
    }

    fn failed(&self, error: &serde_json::Error) -> Vec<ServerError> {
        self.caller.refusal(ApiError::internal(error))
    }

    async fn pass(
        &self,
        message: Result<Message, serde_json::Error>,
        is_last: bool,
    ) -> Result<(), serde_json::Error> {
        let outgoing = Outgoing {
            id: Arc::clone(&self.id),
            run: self.run,
            message: message?,
            is_last,
        };
        // A connection that takes no more is about to end this task.
        let _ = self.outgoing.send(Box::new(outgoing)).await;
        Ok(())
    }
}

/// Returns whether the request was refused before any field of it ran: an error of a field has its
/// path.
fn is_refusal(response: &Response) -> bool {
    let is_of_request = |error: &ServerError| error.path.is_empty();
    let has_errors = !response.errors.is_empty();
    has_errors && response.data == Value::Null && response.errors.iter().all(is_of_request)
}

#[cfg(test)]
mod tests {
    use async_graphql::{PathSegment, value};

    use super::*;
    use crate::api::RequestThreads;

    fn outgoing(operations: &Operations, id: &str, is_last: bool) -> Outgoing {
        Outgoing {
            id: id.into(),
            run: operations.last_run,
            message: Message::text(id),
            is_last,
        }
    }

    fn threads() -> RequestThreads {
        let here = tokio::runtime::Handle::current();
        RequestThreads::new(here.clone(), here.clone(), here)
    }

    /// An operation whose task says nothing.
    fn begin(operations: &mut Operations, id: &str) {
        operations.last_run += 1;
        let task = threads().follow_while_held(Priority::default(), std::future::pending());
        let run = operations.last_run;
        operations.live.insert(id.into(), Live { run, _task: task });
    }

    #[tokio::test]
    async fn nothing_of_a_stopped_operation_passes_for_a_later_one_with_its_id() {
        let mut operations = Operations::new(mpsc::channel(1).0);
        begin(&mut operations, "a");
        let (late, last) = (
            outgoing(&operations, "a", false),
            outgoing(&operations, "a", true),
        );
        operations.stop("a");
        begin(&mut operations, "a");
        assert!(operations.pass(late).is_none());
        assert!(operations.pass(last).is_none());
        assert!(operations.contains("a"));
        let own = outgoing(&operations, "a", false);
        assert!(operations.pass(own).is_some());
    }

    #[tokio::test]
    async fn the_last_message_frees_the_id() {
        let mut operations = Operations::new(mpsc::channel(1).0);
        begin(&mut operations, "a");
        let last = outgoing(&operations, "a", true);
        assert!(operations.pass(last).is_some());
        assert!(!operations.contains("a"));
    }

    #[test]
    fn an_error_of_a_field_is_no_refusal() {
        let error = |path: Vec<PathSegment>| ServerError::new("no", None).with_path(path);
        let field = PathSegment::Field("a".into());
        assert!(is_refusal(&Response::from_errors(vec![error(vec![])])));
        assert!(!is_refusal(&Response::from_errors(vec![error(vec![
            field
        ])])));
        assert!(!is_refusal(&Response::new(value!({ "a": 1 }))));
        assert!(!is_refusal(&Response::default()));
        let mut partial = Response::from_errors(vec![error(vec![])]);
        partial.data = value!({ "a": null });
        assert!(!is_refusal(&partial));
    }
}
