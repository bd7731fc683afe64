//! Which HTTP requests become a connection.

use serde_json::Value;
use tokio_tungstenite::tungstenite::Error;

use super::Served;
use crate::support::Socket;

/// The status and body with which a handshake is refused; none when it is not.
async fn refused(served: &Served, headers: &[(&'static str, &str)]) -> Option<(u16, Value)> {
    let Error::Http(response) = Socket::connect(served.address, headers).await.err()? else {
        panic!("another failure");
    };
    let body = response.body().as_ref().unwrap();
    Some((
        response.status().into(),
        serde_json::from_slice(body).unwrap(),
    ))
}

#[tokio::test]
async fn only_the_current_protocol_is_spoken() {
    let served = Served::start().await;
    let name = "sec-websocket-protocol";
    let both = "graphql-ws, graphql-transport-ws";
    assert_eq!(refused(&served, &[(name, both)]).await, None);
    for other in [
        "graphql-ws",
        "graphql-transport-ws2",
        "GRAPHQL-TRANSPORT-WS",
    ] {
        let (status, body) = refused(&served, &[(name, other)]).await.unwrap();
        assert_eq!(status, 400, "{other}");
        assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
    let (status, _) = refused(&served, &[("x-takeoff-tenant", "a/b")])
        .await
        .unwrap();
    assert_eq!(status, 400);
}
