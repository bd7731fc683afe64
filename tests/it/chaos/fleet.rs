//! Nodes in processes of their own, each behind proxies, with a PostgreSQL and a Redis that can be ended.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use super::work::Work;
use crate::support::{Backend, Cluster, NodeProcess, Proxy, Redis};

/// Two beats may be missed on a busy machine.
pub const LEASE: Duration = Duration::from_secs(4);

/// What happens, and for how long it lasts.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// `kill -9`; started again at the end.
    Kill,
    /// Nothing of the process runs, for longer than its lease.
    Pause,
    /// The node's connections to PostgreSQL end, and new ones are refused.
    CutFromDatabase,
    /// Packets between the node and PostgreSQL are swallowed, for longer than its lease.
    FreezeDatabase,
    /// PostgreSQL gets what the node asks, and its answers are swallowed.
    FreezeAnswers,
    /// Each packet between the node and PostgreSQL takes long.
    SlowDatabase,
    /// The node's connections to Redis end, and new ones are refused.
    CutFromRedis,
    /// The node's clock jumps, forth or back, and back to the right time at the end.
    ClockJump,
    /// PostgreSQL is shut down and started again.
    RestartDatabase,
    /// PostgreSQL is gone without a checkpoint, and recovers from its log.
    CrashDatabase,
    /// PostgreSQL is gone for good, and its synchronous standby takes over.
    FailOver,
    /// Redis is gone, and comes back empty.
    RestartRedis,
    /// Redis loses all that it holds.
    FlushRedis,
}

/// Those that may happen any number of times.
const FAULTS: [Fault; 12] = [
    Fault::Kill,
    Fault::Pause,
    Fault::CutFromDatabase,
    Fault::FreezeDatabase,
    Fault::FreezeAnswers,
    Fault::SlowDatabase,
    Fault::CutFromRedis,
    Fault::ClockJump,
    Fault::RestartDatabase,
    Fault::CrashDatabase,
    Fault::RestartRedis,
    Fault::FlushRedis,
];

impl Fault {
    /// One of all, and its length: at most `longest`, but for those that are to outlast a lease.
    pub fn drawn(random: &mut StdRng, longest: Duration) -> (Self, Duration) {
        let fault = *FAULTS.choose(random).unwrap();
        let milliseconds = u64::try_from(longest.as_millis()).unwrap();
        let length = Duration::from_millis(random.random_range(200..milliseconds));
        let length = match fault {
            Self::Pause | Self::FreezeDatabase => length.max(LEASE + Duration::from_secs(1)),
            _ => length,
        };
        (fault, length)
    }

    /// Returns whether clients lose answers by it, whatever else goes on.
    pub fn interrupts_clients(self) -> bool {
        matches!(
            self,
            Self::Kill | Self::RestartDatabase | Self::CrashDatabase | Self::FailOver
        )
    }
}

struct Member {
    /// None while it is killed.
    process: Option<NodeProcess>,
    database: Proxy,
    redis: Proxy,
    /// Holds the microseconds by which its clock is wrong.
    clock: PathBuf,
    settings: Vec<String>,
}

impl Member {
    async fn start(&mut self, backend: &Backend) {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let process = NodeProcess::start_by_clock(backend, &settings, &self.clock).await;
        self.process = Some(process);
    }
}

/// See the module.
pub struct Fleet {
    pub backend: Backend,
    database: Cluster,
    redis: Redis,
    members: Vec<Member>,
}

impl Fleet {
    /// So many nodes; none where the tests run without PostgreSQL.
    pub async fn start(nodes: usize, settings: &[&str]) -> Option<Self> {
        let database = Cluster::start().await?;
        let redis = Redis::start().await?;
        let backend = Backend {
            database_url: Some(database.url("takeoff")),
            redis_url: Some(redis.url()),
            ..Backend::sqlite()
        };
        let mut fleet = Self {
            backend,
            database,
            redis,
            members: Vec::new(),
        };
        for number in 0..nodes {
            fleet.join(number, settings).await;
        }
        Some(fleet)
    }

    async fn join(&mut self, number: usize, settings: &[&str]) {
        let (database_url, redis_url) = (self.backend.url(), self.redis.url());
        let database = Proxy::before(&database_url).await;
        let redis = Proxy::before(&redis_url).await;
        let clock = self.backend.folder.path().join(format!("clock-{number}"));
        std::fs::write(&clock, "0").unwrap();
        let own = [
            format!("runtime.lease_seconds={}", LEASE.as_secs()),
            "telemetry.log=warn".to_owned(),
            "database.acquire_timeout_ms=2000".to_owned(),
            "database.statement_timeout_ms=2000".to_owned(),
            format!("database.url={}", database.instead_of(&database_url)),
            format!("redis.url={}", redis.instead_of(&redis_url)),
        ];
        let more = settings.iter().map(|&setting| setting.to_owned());
        let mut member = Member {
            process: None,
            database,
            redis,
            clock,
            settings: own.into_iter().chain(more).collect(),
        };
        member.start(&self.backend).await;
        self.members.push(member);
    }

    /// Where the nodes that run can be found, but for one.
    pub fn addresses(&self, without: Option<usize>) -> Vec<SocketAddr> {
        let members = self.members.iter().enumerate();
        let others = members.filter(|(number, _)| Some(*number) != without);
        let processes = others.filter_map(|(_, member)| member.process.as_ref());
        processes.map(|process| process.address).collect()
    }

    /// The resident memory of each node that runs.
    pub fn memory_bytes(&self) -> Vec<u64> {
        let processes = self.members.iter().filter_map(|one| one.process.as_ref());
        processes.map(NodeProcess::memory_bytes).collect()
    }

    /// Lets a fault happen and mends it. Clients are sent to whichever nodes answer.
    pub async fn suffer(
        &mut self,
        (fault, length): (Fault, Duration),
        random: &mut StdRng,
        work: &Work,
    ) {
        let number = random.random_range(0..self.members.len());
        let jump = random.random_range(-7_200_000_000_i64..7_200_000_000);
        let spared = Some(number);
        match fault {
            Fault::Kill => {
                self.members[number].process.take().unwrap().kill();
                work.direct_to(self.addresses(None));
                tokio::time::sleep(length).await;
                self.members[number].start(&self.backend).await;
            }
            Fault::Pause => {
                work.direct_to(self.addresses(spared));
                self.process(number).pause();
                tokio::time::sleep(length).await;
                self.process(number).resume();
            }
            Fault::CutFromDatabase => {
                self.members[number].database.cut();
                tokio::time::sleep(length).await;
                self.members[number].database.mend().await;
            }
            Fault::FreezeDatabase | Fault::FreezeAnswers | Fault::SlowDatabase => {
                let proxy = &self.members[number].database;
                match fault {
                    Fault::FreezeDatabase => proxy.freeze(),
                    Fault::FreezeAnswers => proxy.freeze_answers(),
                    _ => proxy.slow_down(Duration::from_millis(random.random_range(5..80))),
                }
                tokio::time::sleep(length).await;
                proxy.thaw();
            }
            Fault::CutFromRedis => {
                self.members[number].redis.cut();
                tokio::time::sleep(length).await;
                self.members[number].redis.mend().await;
            }
            Fault::ClockJump => {
                let clock = &self.members[number].clock;
                std::fs::write(clock, jump.to_string()).unwrap();
                tokio::time::sleep(length).await;
                std::fs::write(clock, "0").unwrap();
            }
            of_service => self.suffer_of_services(of_service, length).await,
        }
        work.direct_to(self.addresses(None));
    }

    async fn suffer_of_services(&mut self, fault: Fault, length: Duration) {
        let standby = match fault {
            Fault::FailOver => {
                let standby = self.database.standby().await;
                self.database.commit_with_standby().await;
                Some(standby)
            }
            _ => None,
        };
        match fault {
            Fault::RestartDatabase => self.database.stop(),
            Fault::CrashDatabase | Fault::FailOver => self.database.crash(),
            Fault::RestartRedis => self.redis.stop(),
            _ => self.redis.flush().await,
        }
        tokio::time::sleep(length).await;
        if let Some(standby) = standby {
            standby.promote().await;
            let url = standby.url("takeoff");
            for member in &mut self.members {
                member.database.lead_to(&url).await;
            }
            self.backend.database_url = Some(url);
            self.database = standby;
        }
        match fault {
            Fault::RestartDatabase | Fault::CrashDatabase => self.database.resume(&[]).await,
            Fault::RestartRedis => self.redis.resume().await,
            _ => {}
        }
    }

    fn process(&self, number: usize) -> &NodeProcess {
        self.members[number].process.as_ref().unwrap()
    }

    /// Kills every node.
    pub fn end(&mut self) {
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                process.kill();
            }
        }
    }
}
