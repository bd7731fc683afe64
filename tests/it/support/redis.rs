//! A Redis of a test's own: it can be ended, started again at the same port, and emptied.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{app::PATIENCE, cluster::free_port, variable};

/// A server that keeps nothing on disk. Dropping it ends it.
pub struct Redis {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Redis {
    /// A new server; none where the tests run without Redis.
    pub async fn start() -> Option<Self> {
        variable("TAKEOFF_TEST_REDIS_URL")?;
        let mut redis = Self {
            folder: TempDir::new().unwrap(),
            port: free_port(),
            server: None,
        };
        redis.resume().await;
        Some(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it at its port, empty.
    pub async fn resume(&mut self) {
        let program = ["redis-server", "valkey-server"]
            .into_iter()
            .find_map(|name| {
                Command::new(name)
                    .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
                    .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
                    .current_dir(self.folder.path())
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .spawn()
                    .ok()
            });
        self.server = Some(program.expect("neither redis-server nor valkey-server is there"));
        let client = redis::Client::open(self.url()).unwrap();
        let answers = async {
            while client.get_multiplexed_async_connection().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answers).await;
        answered.expect("Redis does not answer");
    }

    /// Ends it; what it held is lost.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Takes all that it holds.
    pub async fn flush(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let flushed: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut connection).await;
        flushed.unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
