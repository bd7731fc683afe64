//! The rows of the table.

use std::time::{Duration, Instant};

use crate::{
    Scale,
    limits::{Bare, Inserts},
    load::{ACCEPTED, closed_loop, count, exactly, request, submit, submit_many},
    report::{Beside, Report},
    server::{Backend, Place, Server, cpu_micros},
    watch,
};

/// One run of one backend.
pub(crate) struct Run<'a> {
    pub(crate) place: Place,
    pub(crate) scale: Scale,
    pub(crate) report: &'a mut Report,
}

/// Measures every row whose name contains `wanted` once; what needs millions of executions, which
/// take minutes to make, only in the first run.
pub(crate) async fn measure(
    backend: Backend,
    scale: Scale,
    (wanted, is_first): (&str, bool),
    report: &mut Report,
) -> anyhow::Result<()> {
    let is_due = |row: &&&str| row.contains(wanted) && (is_first || **row != "age");
    for row in ROWS.iter().filter(is_due) {
        let place = Place::new(backend).await?;
        let mut run = Run {
            place,
            scale,
            report,
        };
        match *row {
            "submit" => run.submit().await?,
            "sustained" => run.sustained().await?,
            "drain" => run.drain().await?,
            "tenants" => run.tenants().await?,
            "fleet" => run.fleet().await?,
            "latency" => run.latency().await?,
            "gate" => run.gate().await?,
            "proof" => run.proof().await?,
            "start" => run.start().await?,
            "hint" => run.hint().await?,
            "state" => run.state().await?,
            "subscribers" => run.subscribers().await?,
            "resume" => run.resume().await?,
            "lineage" => run.lineage().await?,
            "lists" => run.lists().await?,
            "age" => run.age().await?,
            other => anyhow::bail!("there is no row {other}"),
        }
        run.place.remove().await?;
    }
    Ok(())
}

const ROWS: &[&str] = &[
    "submit",
    "sustained",
    "drain",
    "tenants",
    "fleet",
    "latency",
    "hint",
    "state",
    "subscribers",
    "resume",
    "lineage",
    "lists",
    "gate",
    "proof",
    "start",
    "age",
];

/// The number of turns in which the server and the bare route are measured.
pub(crate) const TURNS: usize = 4;

/// One slot, so that a server whose slot is taken accepts and runs nothing.
pub(crate) const ONE_SLOT: &[(&str, &str)] = &[
    ("TAKEOFF_RUNTIME_MAX_CONCURRENT_EXECUTIONS", "1"),
    ("TAKEOFF_RUNTIME_SHUTDOWN_GRACE_SECONDS", "0"),
];

impl Run<'_> {
    fn is_postgres(&self) -> bool {
        self.place.backend == Backend::Postgres
    }

    /// One of the goals, by backend.
    pub(crate) fn goal(&self, postgres: f64, embedded: f64) -> f64 {
        if self.is_postgres() {
            postgres
        } else {
            embedded
        }
    }

    pub(crate) async fn settle(&self) {
        // What the row before left to the database's background processes.
        tokio::time::sleep(Duration::from_millis(if self.scale.quick {
            200
        } else {
            1000
        }))
        .await;
    }

    /// Accepted intents a second, while nothing runs.
    async fn submit(&mut self) -> anyhow::Result<()> {
        let inserts = Inserts::new(&self.place).await?;
        let (server, session) = accepting(&self.place, &[]).await?;
        let body = submit(&session);
        for (callers, postgres, embedded) in [
            (1, 1_000.0, 1_000.0),
            (16, 5_000.0, 6_000.0),
            (64, 7_000.0, 8_000.0),
        ] {
            let limit = inserts.rate(callers, 1, self.scale.time / 2).await?;
            self.settle().await;
            let request = ("/graphql", body.as_str(), ACCEPTED);
            let done = closed_loop(server.address, request, callers, self.scale.time).await?;
            let beside = Beside::goal(self.goal(postgres, embedded)).limit(limit);
            let row = format!("durable submits, {callers} callers (limit: single inserts)");
            self.report.add(&row, "/s", done.per_second(), beside);
            self.settle().await;
        }
        Ok(())
    }

    /// Submitted and completed: submits for a time, then waits for the last completion.
    async fn sustained(&mut self) -> anyhow::Result<()> {
        let inserts = Inserts::new(&self.place).await?;
        let limit = inserts.rate(4, 50, self.scale.time / 2).await?;
        let server = Server::start(&self.place, &[]).await?;
        let session = server.session().await?;
        for (body, each, name, postgres, embedded) in [
            (submit(&session), 1, "one each", 3_500.0, 5_000.0),
            (
                submit_many(&session, 100),
                100,
                "100 each",
                6_000.0,
                9_000.0,
            ),
        ] {
            let before = ended(&server, "echo").await?;
            let began = Instant::now();
            let request = ("/graphql", body.as_str(), ACCEPTED);
            let done = closed_loop(server.address, request, 64, self.scale.sustained).await?;
            let submitted = count(done.requests) * f64::from(each);
            wait_for(&server, "echo", before + submitted).await?;
            let rate = submitted / began.elapsed().as_secs_f64();
            let beside = Beside::goal(self.goal(postgres, embedded)).limit(limit);
            let row = format!(
                "submitted and completed, 64 callers, {name} (limit: rows in batches of 50)"
            );
            self.report.add(&row, "/s", rate, beside);
            if each == 1 {
                let memory = count(server.memory()?) / 1e6;
                let goal = self.goal(200.0, 150.0);
                self.report
                    .add("memory at full load", "MB", memory, Beside::goal(goal));
            }
            self.settle().await;
        }
        Ok(())
    }

    /// A backlog, made by a server that runs nothing, drained by one that starts on it.
    async fn drain(&mut self) -> anyhow::Result<()> {
        let inserts = Inserts::new(&self.place).await?;
        let limit = inserts.rate(4, 50, self.scale.time / 2).await?;
        let (server, session) = accepting(&self.place, &[]).await?;
        let backlog = self.scale.backlog;
        exactly(
            server.address,
            &submit_many(&session, 100),
            8,
            backlog / 100,
        )
        .await?;
        server.stop().await?;
        let server = Server::spawn(&self.place, &[])?;
        server.ready().await?;
        let began = Instant::now();
        let before = server
            .metric("takeoff_executions_total{intent_type=\"echo\"")
            .await?;
        wait_for(&server, "echo", count(backlog as u64)).await?;
        let drained = count(backlog as u64) - before;
        let beside = Beside::goal(self.goal(9_000.0, 12_000.0)).limit(limit);
        let rate = drained / began.elapsed().as_secs_f64();
        let row = "backlog drained (limit: rows in batches of 50)";
        self.report.add(row, "/s", rate, beside);
        Ok(())
    }

    async fn latency(&mut self) -> anyhow::Result<()> {
        let inserts = Inserts::new(&self.place).await?;
        let limit = 1e3 / inserts.rate(1, 1, self.scale.time / 2).await?;
        let server = Server::start(&self.place, &[]).await?;
        let session = server.session().await?;
        watch::one_by_one(&server, &session, 50).await?;
        self.settle().await;
        let alone = watch::one_by_one(&server, &session, self.scale.singles).await?;
        self.settle().await;
        let time = (self.scale.time * 2).max(Duration::from_secs(1));
        let steady = watch::at_rate(&server, &session, self.scale.rate, time).await?;
        let rate = format!("at {}/s", self.scale.rate);
        for (found, name, goals) in [
            (alone, "one after another", [(2.5, 1.5), (8.0, 5.0)]),
            (steady, &rate, [(4.0, 3.0), (25.0, 15.0)]),
        ] {
            for (percent, (postgres, embedded)) in [50.0, 99.0].into_iter().zip(goals) {
                let millis = count(found.value_at_percentile(percent)) / 1e3;
                let row = format!(
                    "submit to terminal event, {name}, p{percent} (limit: a single insert)"
                );
                let beside = Beside::goal(self.goal(postgres, embedded)).limit(limit);
                self.report.add(&row, "ms", millis, beside);
            }
        }
        Ok(())
    }

    /// Processor time of the smallest request.
    async fn gate(&mut self) -> anyhow::Result<()> {
        let server = Server::start(&self.place, &[]).await?;
        let bare = Bare::start().await?;
        let body = request("{ __typename }", &serde_json::json!({}));
        let sides = [
            (bare.address, bare.pid(), "asked"),
            (server.address, server.pid(), "Query"),
        ];
        let (mut micros, mut requests) = ([0.0; 2], [0; 2]);
        // They take turns, so that a slow minute of the machine meets both. The first turn warms up.
        for turn in 0..=TURNS {
            for (side, (address, pid, expected)) in sides.into_iter().enumerate() {
                let request = ("/graphql", body.as_str(), expected);
                let before = cpu_micros(pid)?;
                let done = closed_loop(address, request, 16, self.scale.time / 2).await?;
                if turn > 0 {
                    micros[side] += cpu_micros(pid)? - before;
                    requests[side] += done.requests;
                }
            }
        }
        let [limit, own] = [0, 1].map(|side| micros[side] / count(requests[side]));
        let row = "`{ __typename }`: processor time of a request (limit: bare route)";
        let beside = Beside::goal(2.0 * limit).limit(limit);
        self.report.add(row, "us", own, beside);
        Ok(())
    }

    /// From the start of the process to an accepted intent, on a database that has its schema.
    async fn start(&mut self) -> anyhow::Result<()> {
        let server = Server::start(&self.place, &[]).await?;
        let session = server.session().await?;
        server.stop().await?;
        let server = Server::spawn(&self.place, &[])?;
        server.ready().await?;
        let variables = serde_json::json!({"input": crate::load::intent(&session)});
        server.ask(crate::load::SUBMIT, variables).await?;
        let millis = server.age().as_secs_f64() * 1e3;
        let goal = self.goal(300.0, 150.0);
        self.report.add(
            "start to first accepted intent",
            "ms",
            millis,
            Beside::goal(goal),
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        let goal = self.goal(40.0, 30.0);
        let memory = count(server.memory()?) / 1e6;
        self.report
            .add("memory idle", "MB", memory, Beside::goal(goal));
        let own = count(server.memory_of_its_own()?) / 1e6;
        let row = "memory idle, without the pages of the program's file";
        self.report.add(row, "MB", own, Beside::goal(goal));
        Ok(())
    }
}

/// A server that accepts and does not run: its one slot is taken for a minute.
pub(crate) async fn accepting(
    place: &Place,
    more: &[(&str, &str)],
) -> anyhow::Result<(Server, String)> {
    let server = Server::start(place, &[ONE_SLOT, more].concat()).await?;
    let session = server.session().await?;
    block(&server, &session, "").await?;
    Ok((server, session))
}

/// Takes the one slot of a server for a minute; `headers` are lines of the request's head.
pub(crate) async fn block(server: &Server, session: &str, headers: &str) -> anyhow::Result<()> {
    let blocker = serde_json::json!({"intentType": "echo", "sessionId": session,
        "parameters": {"delay_ms": 60_000}});
    let variables = serde_json::json!({"input": blocker});
    server
        .ask_by(headers, crate::load::SUBMIT, variables)
        .await?;
    Ok(())
}

/// Waits until so many executions of a type have ended.
pub(crate) async fn wait_for(server: &Server, intent_type: &str, total: f64) -> anyhow::Result<()> {
    let began = Instant::now();
    while ended(server, intent_type).await? < total {
        let is_late = began.elapsed() > Duration::from_mins(5);
        anyhow::ensure!(!is_late, "executions do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Returns the number of executions of a type that have ended since the server was started.
pub(crate) async fn ended(server: &Server, intent_type: &str) -> anyhow::Result<f64> {
    let name = format!("takeoff_executions_total{{intent_type=\"{intent_type}\"");
    server.metric(&name).await
}
