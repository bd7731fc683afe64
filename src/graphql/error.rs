//! The form of an [`ApiError`] in a GraphQL response: `extensions {code, retryable}`, with
//! `retryAfterMs` where that is known; the executor adds `requestId`.

use async_graphql::{Error, ErrorExtensionValues, ServerError};

use crate::api::{ApiError, ErrorCode, RequestId};

/// A nullable field that may fail: a failure makes this field `null` and leaves its siblings alone.
/// The library lets a failed `Result` of an option take the parent object down with it.
pub(super) type Nullable<T> = Option<Result<T, ApiError>>;

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        let mut shown = Self::new(error.message());
        let mut extensions = extensions(error.code());
        if error.code() == ErrorCode::CursorExpired {
            extensions.set("lastCursor", error.last_cursor());
            extensions.set("oldestCursor", error.oldest_cursor());
        }
        if let Some(wait) = error.retry_after() {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            extensions.set("retryAfterMs", millis);
        }
        shown.extensions = Some(extensions);
        shown
    }
}

/// The errors of a request that is not run.
pub(super) fn refusal(error: ApiError, request_id: Option<&RequestId>) -> Vec<ServerError> {
    let error = Error::from(error);
    let mut shown = ServerError::new(error.message, None);
    shown.extensions = error.extensions;
    let mut errors = vec![shown];
    complete(&mut errors, request_id);
    errors
}

/// Gives errors that the library made (parsing, validation, coercion) their code, and every error
/// the id of the request.
pub(super) fn complete(errors: &mut [ServerError], request_id: Option<&RequestId>) {
    for error in errors {
        let extensions = error
            .extensions
            .get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            *extensions = self::extensions(ErrorCode::BadUserInput);
        }
        if let Some(RequestId(id)) = request_id {
            extensions.set("requestId", id.as_ref());
        }
    }
}

fn extensions(code: ErrorCode) -> ErrorExtensionValues {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code.name());
    extensions.set("retryable", code.is_retryable());
    extensions
}

#[cfg(test)]
mod tests {
    use async_graphql::{Object, Schema, value};

    use super::*;
    use crate::storage;

    struct Query;

    #[Object]
    impl Query {
        async fn broken(&self) -> Nullable<i32> {
            Some(Err(
                storage::Error::corrupt("row", "SELECT secret FROM t").into()
            ))
        }

        async fn whole(&self) -> i32 {
            1
        }
    }

    #[tokio::test]
    async fn an_error_is_masked_and_carries_code_and_request_id() {
        let schema = Schema::new(
            Query,
            async_graphql::EmptyMutation,
            async_graphql::EmptySubscription,
        );
        let mut response = schema.execute("{ broken whole }").await;
        complete(&mut response.errors, Some(&RequestId("r-1".into())));
        assert_eq!(response.data, value!({ "broken": null, "whole": 1 }));
        let text = serde_json::to_string(&response.errors).unwrap();
        assert!(!text.contains("SELECT"), "{text}");
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            shown[0]["extensions"],
            serde_json::json!({ "code": "INTERNAL", "retryable": false, "requestId": "r-1" })
        );
    }

    #[tokio::test]
    async fn a_faulty_document_is_bad_user_input() {
        let schema = Schema::new(
            Query,
            async_graphql::EmptyMutation,
            async_graphql::EmptySubscription,
        );
        let mut response = schema.execute("{ nothing }").await;
        complete(&mut response.errors, None);
        let code = response.errors[0].extensions.as_ref().unwrap().get("code");
        assert_eq!(code, Some(&value!("BAD_USER_INPUT")));
    }
}
