//! The API over HTTP, by the rules of GraphQL over HTTP: `/graphql`.

use std::sync::Arc;

use async_graphql::{Response as Answer, parser::types::OperationType};
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};

use super::{
    negotiation::Form,
    request::{Served, accept},
    response::{Rejection, Shown, response},
};
use crate::{
    api::{ApiError, Asker},
    graphql::gate::Refused,
};

/// Runs a query or a mutation.
pub(crate) async fn run(
    State(served): State<Arc<Served>>,
    asker: Asker,
    request: Request,
) -> Response {
    let id = asker.request_id.clone();
    let Some(form) = Form::accepted(request.headers()) else {
        let error = ApiError::bad_input(
            "the answer can be application/graphql-response+json or application/json",
        );
        return Rejection::new(StatusCode::NOT_ACCEPTABLE, error).shown(Form::Json, id.as_ref());
    };
    match accept(&served, asker, request).await {
        Ok(ready) if ready.kind() == OperationType::Subscription => {
            let error = ApiError::bad_input("subscriptions go over /graphql/ws or /graphql/stream");
            Rejection::new(StatusCode::BAD_REQUEST, error).shown(form, id.as_ref())
        }
        Ok(ready) => {
            let show = move |answer: Answer| response(form, StatusCode::OK, &Shown::of(&answer));
            match served.api.run(ready, show).await {
                Ok(shown) => shown,
                Err(error) => Rejection::from(Refused::from(error)).shown(form, id.as_ref()),
            }
        }
        Err(rejection) => rejection.shown(form, id.as_ref()),
    }
}
