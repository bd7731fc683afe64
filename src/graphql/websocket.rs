//! The API over WebSocket, by the protocol `graphql-transport-ws`.

use async_graphql::Data;
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    extract::{
        FromRequestParts, Request, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
    response::{IntoResponse, Response},
};
use futures::{SinkExt, StreamExt};
use serde_json::Value;

use super::{
    executor::Asking,
    http::{Served, failed},
};
use crate::{
    api::{ApiError, Asker, RequestId, TENANT_HEADER, principal_named},
    model::Principal,
};

const PROTOCOL: &str = "graphql-transport-ws";

/// Takes a connection over. The tenant is that of the header unless `connection_init` names one.
pub(super) async fn connect(
    State(served): State<Served>,
    asker: Asker,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let Asker {
        principal,
        request_id,
    } = asker;
    let principal = match principal {
        Ok(principal) => principal,
        Err(error) => return failed(StatusCode::BAD_REQUEST, request_id.as_ref(), error),
    };
    if !offers_protocol(&parts.headers) {
        let error = ApiError::bad_input("the subprotocol must be graphql-transport-ws");
        return failed(StatusCode::BAD_REQUEST, request_id.as_ref(), error);
    }
    // The library takes the first protocol that it knows, which may be an older one.
    let only = HeaderValue::from_static(PROTOCOL);
    parts.headers.insert(SEC_WEBSOCKET_PROTOCOL, only);
    let protocol = match GraphQLProtocol::from_request_parts(&mut parts, &()).await {
        Ok(protocol) => protocol,
        Err(status) => return status.into_response(),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    let connection = Connection {
        served,
        protocol,
        principal,
        request_id,
    };
    upgrade
        .protocols([PROTOCOL])
        .on_upgrade(|socket| connection.serve(socket))
}

fn offers_protocol(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offers = offers.filter_map(|offer| offer.to_str().ok());
    let mut names = offers.flat_map(|offer| offer.split(','));
    names.any(|name| name.trim() == PROTOCOL)
}

/// An accepted connection.
struct Connection {
    served: Served,
    protocol: GraphQLProtocol,
    principal: Principal,
    request_id: Option<RequestId>,
}

impl Connection {
    /// Serves until the client goes or the server stops; then tells the client to come back.
    async fn serve(self, socket: WebSocket) {
        let Self {
            served,
            protocol,
            principal,
            request_id,
        } = self;
        let stop = served.options.stop.clone();
        let (mut sink, stream) = socket.split();
        let until_stop = stream.take_until(stop.cancelled());
        let init = async move |payload: Value| Ok(data(principal, request_id, &payload)?);
        GraphQLWebSocket::new_with_pair(&mut sink, until_stop, served.api, protocol)
            .on_connection_init(init)
            .serve()
            .await;
        if stop.is_cancelled() {
            let frame = CloseFrame {
                code: close_code::AWAY,
                reason: "the server stops; reconnect and resume".into(),
            };
            // The client may be gone already.
            let _ = sink.send(Message::Close(Some(frame))).await;
        }
    }
}

/// What every operation of the connection carries.
fn data(
    principal: Principal,
    request_id: Option<RequestId>,
    payload: &Value,
) -> Result<Data, ApiError> {
    let principal = match payload.get(TENANT_HEADER) {
        None | Some(Value::Null) => principal,
        Some(tenant) => principal_named(tenant.as_str().unwrap_or_default())?,
    };
    let mut data = Data::default();
    data.insert(Asking::new(principal, request_id));
    Ok(data)
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use serde_json::json;

    use super::*;
    use crate::model::TenantId;

    fn tenant(payload: &Value) -> Option<String> {
        let principal = Principal::development(TenantId::default_tenant());
        let data = data(principal, None, payload).ok()?;
        let asking = data.get(&TypeId::of::<Asking>())?;
        let asking = asking.downcast_ref::<Asking>()?;
        Some(asking.principal.tenant().to_string())
    }

    #[test]
    fn connection_init_may_name_the_tenant() {
        assert_eq!(tenant(&Value::Null).as_deref(), Some("default"));
        let named = json!({ "x-takeoff-tenant": "team-7" });
        assert_eq!(tenant(&named).as_deref(), Some("team-7"));
        for bad in [json!("a/b"), json!(7), json!("")] {
            assert_eq!(tenant(&json!({ "x-takeoff-tenant": bad })), None);
        }
    }

    #[test]
    fn only_the_current_protocol_is_taken() {
        let mut headers = HeaderMap::new();
        for (offer, taken) in [
            ("graphql-ws", false),
            ("graphql-ws, graphql-transport-ws", true),
            ("graphql-transport-ws", true),
        ] {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
            assert_eq!(offers_protocol(&headers), taken, "{offer}");
        }
    }
}
