//! Ids on their way in. A malformed id in a query is the client's mistake (`BAD_USER_INPUT`); in a
//! mutation's input it is a user error with its path.

use std::str::FromStr;

use async_graphql::ID;

use super::user_error::{UserError, plain};
use crate::{
    api::{ApiError, RefusalCode},
    model::IdError,
};

/// The id that argument `name` of a query holds.
pub(crate) fn argument<T: FromStr<Err = IdError>>(id: &ID, name: &str) -> Result<T, ApiError> {
    id.parse()
        .map_err(|fault| ApiError::bad_input(format!("{name}: {fault}")))
}

/// Like [`argument`], for an argument that may be left out.
pub(crate) fn optional<T: FromStr<Err = IdError>>(
    id: Option<&ID>,
    name: &str,
) -> Result<Option<T>, ApiError> {
    id.map(|id| argument(id, name)).transpose()
}

/// The ids of a list argument; at most `limit`.
pub(crate) fn list<T: FromStr<Err = IdError>>(
    ids: &[ID],
    name: &str,
    limit: usize,
) -> Result<Vec<T>, ApiError> {
    if ids.len() > limit {
        return Err(ApiError::bad_input(format!(
            "{name}: at most {limit} ids are allowed"
        )));
    }
    ids.iter().map(|id| argument(id, name)).collect()
}

/// The id at `path` of a mutation's input.
pub(crate) fn input<T: FromStr<Err = IdError>>(id: &ID, path: &[&str]) -> Result<T, UserError> {
    id.parse().map_err(|fault: IdError| {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        plain(RefusalCode::InvalidInput, fault.to_string(), Some(path))
    })
}
