//! The code of the handlers that run in this process.

use std::{collections::HashMap, sync::Arc};

use futures::future::BoxFuture;

use super::{context::ExecutionContext, handler_error::HandlerError};
use crate::model::RawJson;

/// A handler's code: it gets the context and returns its result as JSON.
pub type HandlerFunction = Arc<
    dyn Fn(ExecutionContext) -> BoxFuture<'static, Result<RawJson, HandlerError>> + Send + Sync,
>;

/// Functions by intent type and handler name.
#[derive(Default)]
pub(super) struct Handlers(HashMap<String, HashMap<String, HandlerFunction>>);

impl Handlers {
    pub(super) fn add(&mut self, intent_type: &str, handler_name: &str, function: HandlerFunction) {
        let of_type = self.0.entry(intent_type.to_owned()).or_default();
        of_type.insert(handler_name.to_owned(), function);
    }

    pub(super) fn find(&self, intent_type: &str, handler_name: &str) -> Option<&HandlerFunction> {
        self.0.get(intent_type)?.get(handler_name)
    }
}
