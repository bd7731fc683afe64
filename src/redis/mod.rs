//! The connection to Redis. Redis speeds things up and carries hints; it never holds the truth, so
//! an outage here is an error for a moment and never another answer.
//!
//! At start a Redis that does not answer is refused. Later the connection is made again by itself,
//! for as long as it takes; meanwhile calls fail fast instead of queueing.

mod breaker;
mod hints;
mod hot;
mod quotas;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};

use breaker::Breaker;

pub use hints::HintBus;
pub use hot::RedisCopies;
pub use quotas::RedisQuotas;

/// The longest time that a start waits for Redis, and that any connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest time that an answer may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// When a connection whose bytes are not acknowledged is given up.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(5);
const RECONNECT_MIN_DELAY: Duration = Duration::from_millis(50);
const RECONNECT_MAX_DELAY: Duration = Duration::from_secs(1);
/// The number of commands that may wait for the socket.
const PIPELINE_BUFFER: usize = 1024;

/// Redis did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one of Redis.
    #[error("not a redis:// or rediss:// URL")]
    Url(#[source] RedisError),
    /// It cannot be reached, or refuses the connection or the command.
    #[error("redis is not available")]
    Unavailable(#[source] RedisError),
    /// It did not answer in time.
    #[error("redis did not answer within {} ms", .0.as_millis())]
    NoAnswer(Duration),
    /// It failed a moment ago and is not asked again yet.
    #[error("redis failed a moment ago")]
    Resting,
}

/// A connection that mends itself. Clones share it.
#[derive(Debug, Clone)]
pub struct Redis {
    client: Client,
    manager: ConnectionManager,
    breaker: Breaker,
}

impl Redis {
    /// Connects, and sees that Redis answers.
    ///
    /// # Errors
    /// When `url` is malformed or Redis does not answer within 3 s.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let client = Client::open(connection_info(url)?).map_err(Error::Url)?;
        within(CONNECT_TIMEOUT, probe(&client)).await?;
        let config = ConnectionManagerConfig::new()
            .set_min_delay(RECONNECT_MIN_DELAY)
            .set_max_delay(RECONNECT_MAX_DELAY)
            .set_number_of_retries(usize::MAX)
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_pipeline_buffer_size(PIPELINE_BUFFER);
        let connecting = ConnectionManager::new_with_config(client.clone(), config);
        let manager = within(CONNECT_TIMEOUT, connecting).await?;
        Ok(Self {
            client,
            manager,
            breaker: Breaker::default(),
        })
    }

    /// Returns whether Redis answers within `limit`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self, limit: Duration) -> Result<(), Error> {
        let answer = self.ask::<String>(&::redis::cmd("PING"), limit).await;
        answer.map(|_| ())
    }

    /// Carries out a command that may be carried out twice.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd, limit: Duration) -> Result<T, Error> {
        within(limit, self.attempt(command)).await
    }

    /// The same for callers who can do without: fails at once while Redis is known to be away.
    async fn run<T: FromRedisValue>(&self, command: &Cmd, limit: Duration) -> Result<T, Error> {
        if !self.breaker.lets_through(Instant::now()) {
            return Err(Error::Resting);
        }
        let result = self.ask(command, limit).await;
        let answered = match &result {
            Ok(_) => true,
            // An answer that says no: Redis is there.
            Err(Error::Unavailable(error)) => error.code().is_some(),
            Err(_) => false,
        };
        if answered {
            if self.breaker.succeeded() {
                tracing::info!("redis is back");
            }
        } else if self.breaker.failed(Instant::now()) {
            let error = result
                .as_ref()
                .err()
                .map(|error| error as &dyn std::error::Error);
            tracing::warn!(error, "redis is away");
        }
        result
    }

    /// A command on a connection that was lost fails once; the next one finds a new connection.
    async fn attempt<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let mut manager = self.manager.clone();
        match command.query_async(&mut manager).await {
            Err(error) if error.is_unrecoverable_error() => command.query_async(&mut manager).await,
            result => result,
        }
    }
}

/// An error at start names its cause; the manager would try for ever.
async fn probe(client: &Client) -> Result<(), RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(CONNECT_TIMEOUT));
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    ::redis::cmd("PING")
        .query_async::<String>(&mut connection)
        .await?;
    Ok(())
}

fn connection_info(url: &str) -> Result<ConnectionInfo, Error> {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED_TIMEOUT);
    let info = url.into_connection_info().map_err(Error::Url)?;
    Ok(info.set_tcp_settings(settings))
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(Error::Unavailable),
        Err(_) => Err(Error::NoAnswer(limit)),
    }
}

#[cfg(test)]
pub(crate) mod tests;
