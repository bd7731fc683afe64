//! The routes of the API: `/graphql`, those of the other transports, and the page.

use std::sync::Arc;

use axum::{Router, routing::get};

use super::{
    HttpOptions, graphiql, http,
    request::Served,
    stream,
    websocket::{self, Sockets},
};
use crate::graphql::Api;

/// The routes of the API.
pub fn routes(api: &Api, options: &HttpOptions) -> Router {
    let api = api.at(options.port);
    let mode = api.authenticator().mode();
    let pages = if options.port.has_pages(mode) {
        graphiql::routes(mode, &options.logins)
    } else {
        Router::new()
    };
    Router::new()
        .route("/graphql", get(http::run).post(http::run))
        .route("/graphql/stream", get(stream::run).post(stream::run))
        .route(
            "/graphql/ws",
            get(websocket::connect).with_state(Sockets::new(api.clone(), options)),
        )
        .merge(pages)
        .with_state(Arc::new(Served {
            api,
            bodies: options.bodies.clone(),
            stop: options.stop.clone(),
        }))
}
