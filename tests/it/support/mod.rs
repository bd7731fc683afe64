//! Common parts of the tests: backends, a server in this process, and handlers to try it with.

mod app;
mod audit;
mod backend;
mod cluster;
mod handlers;
mod hostile;
mod load;
mod node;
mod proxy;
mod redis;
#[path = "../../../src/content/tests/s3_server.rs"]
pub mod s3;
mod socket;
pub mod statements;
pub mod tls;
mod wire;

pub use self::redis::Redis;
pub use app::{PATIENCE, SHORT_LEASE, TestApp, assert_nothing_leaks, config, http, soon};
pub use backend::{Backend, variable};
pub use cluster::Cluster;
pub use handlers::TrySolution;
pub use hostile::hostile;
pub use load::{Acknowledged, Load};
pub use node::NodeProcess;
pub use proxy::Proxy;
pub use socket::{Received, Socket};
pub use statements::Statements;
pub use wire::{Wire, post};

/// Runs a test on every backend: `backends! { async fn name(backend: Backend) { … } }`.
macro_rules! backends {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident: Backend) $body:block)*) => {$(
        mod $name {
            use super::*;
            use crate::support::Backend;

            $(#[$meta])*
            async fn on($backend: Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                on(Backend::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(backend) = Backend::postgres().await {
                    on(backend).await;
                }
            }
        }
    )*};
}
pub(crate) use backends;
