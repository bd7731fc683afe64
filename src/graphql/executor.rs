//! Where every transport enters: gives a request its caller, runs it, completes its errors.

use std::{any::TypeId, sync::Arc};

use async_graphql::{Data, Executor, Request, Response, futures_util::stream::BoxStream};
use futures::StreamExt;

use super::{
    caller::Caller,
    error::complete,
    schema::{Schema, schema},
};
use crate::{api::RequestId, model::Principal, services::Services};

/// The API over a set of services. A request must carry a [`Principal`] in its data, or in its
/// connection's; without one every field answers `UNAUTHENTICATED`. It may carry a [`RequestId`].
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    services: Services,
}

impl Api {
    /// The API over `services`.
    #[must_use]
    pub fn new(services: Services) -> Self {
        Self {
            schema: schema(),
            services,
        }
    }

    /// The schema that is served.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Runs a query or a mutation.
    pub async fn execute(&self, request: Request) -> Response {
        let (request, id) = self.prepare(request, None);
        let mut response = self.schema.execute(request).await;
        complete(&mut response.errors, id.as_ref());
        response
    }

    /// Runs any operation; queries and mutations answer once.
    #[must_use]
    pub fn execute_stream(
        &self,
        request: Request,
        connection: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let connection = connection.unwrap_or_default();
        let (request, id) = self.prepare(request, Some(&connection));
        let responses = self
            .schema
            .execute_stream_with_session_data(request, connection);
        let completed = responses.map(move |mut response| {
            complete(&mut response.errors, id.as_ref());
            response
        });
        completed.boxed()
    }

    /// Gives the request its caller, whose loaders live as long as the request.
    fn prepare(&self, request: Request, connection: Option<&Data>) -> (Request, Option<RequestId>) {
        let principal = find::<Principal>(&request.data, connection).cloned();
        let id = find::<RequestId>(&request.data, connection).cloned();
        let request = match principal {
            Some(principal) => request.data(Caller::new(self.services.clone(), principal)),
            None => request,
        };
        (request, id)
    }
}

fn find<'a, T: 'static>(request: &'a Data, connection: Option<&'a Data>) -> Option<&'a T> {
    let key = TypeId::of::<T>();
    let connection = || connection.and_then(|data| data.get(&key));
    request.get(&key).or_else(connection)?.downcast_ref()
}

impl Executor for Api {
    async fn execute(&self, request: Request) -> Response {
        Self::execute(self, request).await
    }

    fn execute_stream(
        &self,
        request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        Self::execute_stream(self, request, session_data)
    }
}
