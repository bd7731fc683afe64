//! The servers that an address of PostgreSQL names: `postgres://user@one:5432,two:5433/takeoff`. One of them is the
//! primary, and after a failover another one. Connections are made to whichever was found to be it last.
//!
//! A server that was the primary and comes back without knowing that another one was promoted takes itself for the
//! primary still. Nothing here can tell; whoever promotes a standby has to keep the old primary away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, postgres::PgConnectOptions,
};
use tokio::task::AbortHandle;

/// The period of asking whether the primary is the primary still.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The port of a host that names none.
const DEFAULT_PORT: u16 = 5432;

/// The hosts of an address, and which of them is the primary.
#[derive(Debug)]
pub(in crate::storage) struct Hosts {
    /// The address up to the hosts, with user and password, and from behind them.
    around: (String, String),
    all: Vec<Host>,
    /// The place of the primary among them.
    primary: AtomicUsize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    text: String,
    name: String,
    port: u16,
}

impl Host {
    fn of(text: &str) -> Self {
        let port_of = |port: &str| port.parse().ok();
        // An address of IPv6 has colons of its own, and stands in brackets.
        let split = text
            .rsplit_once(':')
            .and_then(|(name, port)| Some((name, port_of(port)?)));
        let (name, port) = split.unwrap_or((text, DEFAULT_PORT));
        Self {
            text: text.to_owned(),
            name: name.to_owned(),
            port,
        }
    }
}

impl Hosts {
    /// Those that an address names.
    pub(in crate::storage) fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        Self {
            around: (format!("{scheme}://{user}"), behind.to_owned()),
            all: hosts.split(',').map(Host::of).collect(),
            primary: AtomicUsize::new(0),
        }
    }

    /// Returns whether the primary may be one of several.
    pub(in crate::storage) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    fn primary(&self) -> Option<&Host> {
        self.all.get(self.primary.load(Ordering::Relaxed))
    }

    /// The address of the primary alone.
    pub(in crate::storage) fn url(&self) -> String {
        let host = self.primary().map_or("", |host| &host.text);
        format!("{}{host}{}", self.around.0, self.around.1)
    }

    /// `options` so that they lead to the primary.
    pub(in crate::storage) fn lead(&self, options: PgConnectOptions) -> PgConnectOptions {
        match self.primary() {
            Some(host) if self.are_several() => options.host(&host.name).port(host.port),
            _ => options,
        }
    }

    /// Looks for the primary, first where it was last; returns a connection to it. Each server is given up after
    /// `limit`.
    ///
    /// # Errors
    /// Why the last server was none, when none is the primary.
    pub(in crate::storage) async fn find(
        &self,
        options: &PgConnectOptions,
        limit: Duration,
    ) -> Result<PgConnection, sqlx::Error> {
        let first = self.primary.load(Ordering::Relaxed);
        let mut why = sqlx::Error::Configuration("the address names no server".into());
        for place in (0..self.all.len()).map(|n| (first + n) % self.all.len()) {
            let Some(host) = self.all.get(place) else {
                continue;
            };
            let options = options.clone().host(&host.name).port(host.port);
            match within(limit, async { primary_at(options.connect().await?).await }).await {
                Ok(connection) => {
                    if self.primary.swap(place, Ordering::Relaxed) != place {
                        tracing::warn!(
                            server = host.text,
                            "the primary of the database is another server"
                        );
                    }
                    return Ok(connection);
                }
                Err(error) => {
                    tracing::debug!(server = host.text, %error, "a server is not the primary");
                    why = error;
                }
            }
        }
        Err(why)
    }

    /// Keeps the connections of a pool leading to the primary, until it is told to end.
    pub(in crate::storage) fn follow(
        self: &Arc<Self>,
        pool: PgPool,
        options: PgConnectOptions,
        limit: Duration,
    ) -> Following {
        let this = Arc::clone(self);
        let task = tokio::spawn(async move {
            let mut connection: Option<PgConnection> = None;
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let known = match connection.take() {
                    Some(known) => within(limit, primary_at(known)).await.ok(),
                    None => None,
                };
                connection = match known {
                    Some(known) => Some(known),
                    None => this.find(&options, limit).await.ok(),
                };
                let present = PgConnectOptions::clone(&pool.connect_options());
                pool.set_connect_options(this.lead(present));
            }
        });
        Following(task.abort_handle())
    }
}

/// Ends what it stands for when it is dropped.
#[derive(Debug)]
pub(in crate::storage) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The connection, if it leads to a primary.
async fn primary_at(mut connection: PgConnection) -> Result<PgConnection, sqlx::Error> {
    let is_standby = sqlx::query_scalar("SELECT pg_is_in_recovery()");
    if is_standby.fetch_one(&mut connection).await? {
        connection.close_hard().await?;
        return Err(sqlx::Error::Configuration("the server is a standby".into()));
    }
    Ok(connection)
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(limit, asked).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_one_of_its_hosts() {
        let hosts = Hosts::of("postgres://me:a,b@one:5433,two,[::1]:7/takeoff?sslmode=require");
        let told: Vec<(&str, u16)> = hosts
            .all
            .iter()
            .map(|host| (&*host.name, host.port))
            .collect();
        assert_eq!(told, [("one", 5433), ("two", 5432), ("[::1]", 7)]);
        assert_eq!(
            hosts.url(),
            "postgres://me:a,b@one:5433/takeoff?sslmode=require"
        );
        hosts.primary.store(1, Ordering::Relaxed);
        assert_eq!(hosts.url(), "postgres://me:a,b@two/takeoff?sslmode=require");
        let led = hosts.lead(PgConnectOptions::new());
        assert_eq!((led.get_host(), led.get_port()), ("two", 5432));
    }

    #[test]
    fn the_address_of_one_server_stays_as_it_is() {
        for url in [
            "postgres://db/takeoff",
            "postgres:///takeoff?host=/run/postgresql",
            "postgres://db",
        ] {
            let hosts = Hosts::of(url);
            assert!(!hosts.are_several());
            assert_eq!(hosts.url(), url);
        }
    }
}
