//! A document that was parsed, bounded and validated, ready to run any number of times.

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::Document as Ast,
    executable::{Operation, OperationType as Kind},
    validation::Valid,
};
use async_graphql::parser::{
    parse_query,
    types::{ExecutableDocument as Parsed, OperationType},
};

use super::{GateLimits, Refused, budget, introspection, scalars, values};
use crate::api::ApiError;

/// Deeper nesting of anything is refused by the parser itself.
const MAX_RECURSION: usize = 100;

/// A valid document.
pub(super) struct Document {
    /// As it was validated.
    pub(super) checked: Valid<ExecutableDocument>,
    /// As it is executed.
    pub(super) parsed: Parsed,
}

impl Document {
    /// Everything that can be said of a document without its variables.
    pub(super) fn check(
        text: &str,
        schema: &Valid<Schema>,
        limits: &GateLimits,
    ) -> Result<Self, Refused> {
        let most = limits.document_bytes;
        if text.len() > most {
            let message = format!(
                "the document has {} bytes; at most {most} are allowed",
                text.len()
            );
            return Err(ApiError::bad_input(message).into());
        }
        let mut parser = Ast::parser()
            .recursion_limit(MAX_RECURSION)
            .token_limit(limits.tokens);
        let ast = parser.parse_ast(text, "document.graphql");
        let ast = ast.map_err(|faulty| Refused::by_diagnostics(&faulty.errors))?;
        budget::check(&ast, limits)?;
        let checked = ast
            .to_executable_validate(schema)
            .map_err(|invalid| Refused::by_diagnostics(&invalid.errors))?;
        if checked.operations.is_empty() {
            return Err(ApiError::bad_input("the document has no operation").into());
        }
        introspection::check_depth(&checked)?;
        values::check(schema, &checked)?;
        scalars::check_literals(schema, &checked)?;
        let parsed = parsed(text, &checked)?;
        Ok(Self { checked, parsed })
    }

    /// The operation that a request means.
    pub(super) fn operation(&self, name: Option<&str>) -> Result<&Node<Operation>, ApiError> {
        self.checked.operations.get(name).map_err(|_| {
            ApiError::bad_input(match name {
                Some(_) => "the document has no operation of this name",
                None => "the document has several operations: operationName says which one to run",
            })
        })
    }

    /// The operation name for the executor, which takes none where the document has one operation.
    pub(super) fn name_of(&self, operation: &Operation) -> Option<String> {
        let has_choice = self.checked.operations.named.len() > 1;
        operation
            .name
            .as_ref()
            .filter(|_| has_choice)
            .map(ToString::to_string)
    }
}

/// The document as the executor's own parser reads it, which is the stricter of the two. It does not
/// know every escape in a string; a document that has such is read as it is written anew, without.
fn parsed(text: &str, checked: &ExecutableDocument) -> Result<Parsed, ApiError> {
    let read = match parse_query(text) {
        Err(_) if text.contains("\\u") => parse_query(checked.serialize().no_indent().to_string()),
        read => read,
    };
    read.map_err(|_| ApiError::bad_input("the document cannot be parsed"))
}

/// The kind of an operation.
pub(super) fn kind(operation: &Operation) -> OperationType {
    match operation.operation_type {
        Kind::Query => OperationType::Query,
        Kind::Mutation => OperationType::Mutation,
        Kind::Subscription => OperationType::Subscription,
    }
}
