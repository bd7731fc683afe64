//! Connections to SQLite that read. Each has a switch that ends the statement which runs on it: the
//! thread of a connection would else work on for whoever has gone.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{DbErr, RuntimeErr};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// The switch is looked at after so many instructions of SQLite's machine: some ten microseconds.
const LOOK_EVERY: i32 = 1_000;

/// A pool of such connections, opened when they are needed. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Interruptible(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    options: SqliteConnectOptions,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<ReaderConnection>>,
    acquire_timeout: Duration,
    opened_by: Option<Handle>,
}

#[derive(Debug)]
struct ReaderConnection {
    inner: SqliteConnection,
    interrupted: Arc<AtomicBool>,
}

impl Interruptible {
    /// Each connection has a thread, whose priority is that of the threads of `opened_by`.
    pub(in crate::storage) fn new(
        options: SqliteConnectOptions,
        max_connections: u32,
        acquire_timeout: Duration,
        opened_by: Option<Handle>,
    ) -> Self {
        Self(Arc::new(Pool {
            options,
            places: Arc::new(Semaphore::new(max_connections as usize)),
            idle: Mutex::default(),
            acquire_timeout,
            opened_by,
        }))
    }

    /// Lends a connection.
    pub(in crate::storage) async fn acquire(&self) -> Result<Lent, DbErr> {
        let places = Arc::clone(&self.0.places);
        let place = tokio::time::timeout(self.0.acquire_timeout, places.acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            let timed_out = RuntimeErr::SqlxError(sqlx::Error::PoolTimedOut.into());
            return Err(DbErr::Conn(timed_out));
        };
        let idle = self.0.idle();
        let connection = match idle {
            Some(connection) => connection,
            None => Pool::open_where_it_belongs(&self.0).await?,
        };
        Ok(Lent {
            held: Some((connection, place)),
            is_running: true,
            pool: Arc::clone(&self.0),
        })
    }
}

impl Pool {
    fn idle(&self) -> Option<ReaderConnection> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    async fn open_where_it_belongs(this: &Arc<Self>) -> Result<ReaderConnection, DbErr> {
        let Some(threads) = &this.opened_by else {
            return this.open().await;
        };
        let pool = Arc::clone(this);
        let opened = threads.spawn(async move { pool.open().await });
        let opened = opened.await.map_err(|e| DbErr::Custom(e.to_string()));
        opened.flatten()
    }

    async fn open(&self) -> Result<ReaderConnection, DbErr> {
        let unreachable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
        let options = self.options.clone().disable_statement_logging();
        let mut inner = options.connect().await.map_err(unreachable)?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let goes_on = {
            let interrupted = Arc::clone(&interrupted);
            move || !interrupted.load(Ordering::Relaxed)
        };
        let mut handle = inner.lock_handle().await.map_err(unreachable)?;
        handle.set_progress_handler(LOOK_EVERY, goes_on);
        drop(handle);
        Ok(ReaderConnection { inner, interrupted })
    }

    fn take_back(&self, connection: ReaderConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
    }
}

/// A connection while a statement runs on it. Dropped before it is given back, the statement is
/// interrupted.
#[derive(Debug)]
pub(in crate::storage) struct Lent {
    held: Option<(ReaderConnection, OwnedSemaphorePermit)>,
    is_running: bool,
    pool: Arc<Pool>,
}

impl Lent {
    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    pub(in crate::storage) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.held.as_mut().expect("a lent connection").0.inner
    }

    /// Nothing runs on it any more.
    pub(in crate::storage) fn give_back(&mut self) {
        self.is_running = false;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((mut connection, place)) = self.held.take() else {
            return;
        };
        if !self.is_running {
            self.pool.take_back(connection);
            return;
        }
        connection.interrupted.store(true, Ordering::Relaxed);
        let pool = Arc::clone(&self.pool);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            // It is answered after the statement has ended.
            if connection.inner.ping().await.is_ok() {
                connection.interrupted.store(false, Ordering::Relaxed);
                pool.take_back(connection);
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::FutureExt;

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";

    async fn numbers(pool: &Interruptible, text: &'static str) -> i64 {
        let mut lent = pool.acquire().await.unwrap();
        let number = sqlx::query_scalar(text).fetch_one(lent.connection()).await;
        lent.give_back();
        number.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_statement_ends_with_whoever_waits_for_it_and_its_connection_is_used_again() {
        let options: SqliteConnectOptions = "sqlite::memory:".parse().unwrap();
        let pool = Interruptible::new(options, 1, Duration::from_mins(1), None);
        let began = Instant::now();
        for n in 0..3 {
            let mut endless = Box::pin(numbers(&pool, ENDLESS));
            while pool.0.places.available_permits() > 0 {
                assert!(endless.as_mut().now_or_never().is_none());
                tokio::task::yield_now().await;
            }
            drop(endless);
            // There is one connection; without the interruption nobody would get it again.
            assert_eq!(numbers(&pool, "SELECT 7").await, 7, "{n}");
        }
        assert!(began.elapsed() < Duration::from_mins(1));
        assert_eq!(pool.0.idle.lock().unwrap().len(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_thread_of_a_connection_has_the_priority_of_those_that_open_it() {
        use tokio::runtime::Builder;

        let low = Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(|| rustix::process::setpriority_process(None, 7).unwrap())
            .build()
            .unwrap();
        let options: SqliteConnectOptions = "sqlite::memory:".parse().unwrap();
        let named = options.thread_name(|_| "opened-by-low".to_owned());
        let waits = Duration::from_mins(1);
        let pool = Interruptible::new(named, 1, waits, Some(low.handle().clone()));
        let here = Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(here.block_on(numbers(&pool, "SELECT 7")), 7);
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let priorities: Vec<String> = threads
            .filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok())
            .filter_map(|stat| {
                let (name, fields) = stat.rsplit_once(") ")?;
                let nice = fields.split(' ').nth(16)?;
                name.ends_with("opened-by-low").then(|| nice.to_owned())
            })
            .collect();
        assert_eq!(priorities, ["7"]);
    }
}
