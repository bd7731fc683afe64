//! The result of a mutation: a value, user errors, or a failure of the field.

use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::user_error::{UserError, user_errors},
    },
    model::Refusal,
    services,
};

/// A value, or what the caller did wrong.
pub(super) type MutationResult<T> = Result<T, Vec<UserError>>;

/// Why a mutation had no effect.
pub(super) enum MutationFailure {
    /// The caller did something wrong.
    Refused(Vec<UserError>),
    /// The field fails.
    Failed(ApiError),
}

impl MutationFailure {
    /// A failure of a service; `at` is the way to the input that it was given.
    pub(super) fn at(at: &[&str], error: impl Into<services::Error>) -> Self {
        match error.into() {
            services::Error::Refused(refusal @ Refusal::Forbidden { .. }) => {
                Self::Failed(refusal.into())
            }
            services::Error::Refused(refusal) => Self::Refused(user_errors(refusal, at)),
            other => Self::Failed(other.into()),
        }
    }
}

impl<E: Into<services::Error>> From<E> for MutationFailure {
    fn from(error: E) -> Self {
        Self::at(&["input"], error)
    }
}

impl From<UserError> for MutationFailure {
    fn from(error: UserError) -> Self {
        Self::Refused(vec![error])
    }
}

/// The payload of a mutation. What the request read before may have changed with it.
pub(super) fn payload<T, P: From<MutationResult<T>>>(
    caller: &Caller,
    change: Result<T, MutationFailure>,
) -> Result<P, ApiError> {
    caller.forget();
    match change {
        Ok(value) => Ok(MutationResult::Ok(value).into()),
        Err(MutationFailure::Refused(errors)) => Ok(MutationResult::Err(errors).into()),
        Err(MutationFailure::Failed(error)) => Err(error),
    }
}

/// The value and the errors of a payload; one of the two is empty.
pub(super) fn parts<T>(outcome: MutationResult<T>) -> (Option<T>, Vec<UserError>) {
    match outcome {
        Ok(value) => (Some(value), Vec::new()),
        Err(errors) => (None, errors),
    }
}
