//! Rows that read: state, lineage, pages, and what age costs.

use std::time::Instant;

use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::{
    http::Http,
    load::{ACCEPTED, closed_loop, count, histogram, micros, request, submit},
    report::Beside,
    rows::{Run, ended, wait_for},
    seed::{Seed, artifact_id},
    server::{Place, Server},
};

const STATE: &str = "query State($id: ID!) { session(id: $id) { state stateVersion } }";
const SET: &str = "mutation Set($input: SetSessionStateInput!) \
    { setSessionState(input: $input) { session { stateVersion } errors { code } } }";
const LINEAGE: &str = "query Lineage($root: ID!, $nodes: Int!) { lineage(roots: [$root], maxDepth: 100, \
    maxNodes: $nodes) { nodes { depth artifact { id artifactType displayName } } edges { parentId childId } } }";
const PAGE: &str = "{ executions(first: 50) { nodes { id status intent { intentType parameters \
    session { id } } artifacts { nodes { id displayName parents { nodes { id displayName } } } } } } }";
const CALLERS: usize = 64;

impl Run<'_> {
    /// Session state, each caller with a session of its own.
    pub(crate) async fn state(&mut self) -> anyhow::Result<()> {
        let server = Server::start(&self.place, &[]).await?;
        let session = server.session().await?;
        let body = request(STATE, &json!({"id": session}));
        let asked = ("/graphql", body.as_str(), "stateVersion");
        let done = closed_loop(server.address, asked, CALLERS, self.scale.time).await?;
        let beside = Beside::goal(15_000.0);
        let row = "session state read, 64 callers";
        self.report.add(row, "/s", done.per_second(), beside);
        self.settle().await;
        let rate = self.compare_and_set(&server).await?;
        let beside = Beside::goal(self.goal(4_000.0, 6_000.0));
        let row = "session state compare-and-set, 64 callers";
        self.report.add(row, "/s", rate, beside);
        Ok(())
    }

    async fn compare_and_set(&self, server: &Server) -> anyhow::Result<f64> {
        let sessions = try_join_all((0..CALLERS).map(|_| server.session())).await?;
        let began = Instant::now();
        let callers = sessions.iter().map(|session| async move {
            let mut http = Http::open(server.address).await?;
            let mut version = 1_u64;
            while began.elapsed() < self.scale.time {
                let input = json!({"sessionId": session, "state": {"step": version},
                    "ifVersion": version.to_string()});
                let answer = http
                    .post("/graphql", &request(SET, &json!({"input": input})))
                    .await?;
                version += 1;
                let expected = format!(r#""stateVersion":"{version}""#);
                anyhow::ensure!(answer.contains(&expected), "{answer}");
            }
            anyhow::Ok(version)
        });
        let written: u64 = try_join_all(callers).await?.into_iter().sum();
        Ok(count(written - CALLERS as u64) / began.elapsed().as_secs_f64())
    }

    /// Lineage and a page, among a million artifacts.
    pub(crate) async fn lineage(&mut self) -> anyhow::Result<()> {
        // A tenant's share is meant for people; here one of them asks without a pause.
        let share = [("TAKEOFF_GRAPHQL_COST_PER_SECOND", "100000000")];
        let server = Server::start(&self.place, &share).await?;
        let session = server.session().await?;
        let made = json!({"intentType": "ingest_file", "sessionId": session,
            "parameters": {"filename": "note.txt", "content": "hello"}});
        server
            .ask(crate::load::SUBMIT, json!({"input": made}))
            .await?;
        wait_for(&server, "ingest_file", 1.0).await?;
        let all = self.scale.artifacts;
        let mut seed = Seed::open(&self.place).await?;
        seed.artifacts(all).await?;
        for (nodes, millis) in [(200, 10.0), (1_000, 50.0)] {
            let roots = (0..self.scale.singles.min(300) as u64)
                .map(|number| all - (number * 7_919) % (all / 2));
            let mut limit = histogram()?;
            for (number, root) in roots.clone().enumerate() {
                let asked = Instant::now();
                let found = seed.ancestors(root, nodes).await?;
                anyhow::ensure!(found > 1, "no ancestors of artifact {root}");
                record(&mut limit, number, asked);
            }
            let limit = count(limit.value_at_percentile(95.0)) / 1e3;
            let requests = roots
                .map(|root| request(LINEAGE, &json!({"root": artifact_id(root), "nodes": nodes})));
            let p95 = p95_of(&server, requests, "\"depth\":1").await?;
            let beside = Beside::goal(millis).limit(limit);
            let row = format!("lineage of {nodes} nodes, p95 (limit: recursive query)");
            self.report.add(&row, "ms", p95, beside);
        }
        let before = server
            .metric("takeoff_statements_total{purpose=\"read\"")
            .await?;
        let times = self.scale.singles.min(300);
        let body = request(PAGE, &Value::Null);
        let p95 = p95_of(&server, std::iter::repeat_n(body, times), "parents").await?;
        let after = server
            .metric("takeoff_statements_total{purpose=\"read\"")
            .await?;
        let goal = self.goal(15.0, 10.0);
        let row = "page of 50 executions with intent, artifacts, parents, p95";
        self.report.add(row, "ms", p95, Beside::goal(goal));
        let each = (after - before) / count(times as u64);
        let row = "statements of that page, with the node's own beside it";
        let goal = 6.0;
        self.report.add(row, "", each, Beside::goal(goal));
        Ok(())
    }

    /// Completions with many finished executions there, against none: two servers take turns, for
    /// the machine changes its pace within minutes.
    pub(crate) async fn age(&mut self) -> anyhow::Result<()> {
        let empty = Place::new(self.place.backend).await?;
        let young = Server::start(&empty, &[]).await?;
        let old = Server::start(&self.place, &[]).await?;
        let sessions = [young.session().await?, old.session().await?];
        // One to make the others after.
        self.completions(&old, &sessions[1]).await?;
        Seed::open(&self.place)
            .await?
            .executions(self.scale.past, true)
            .await?;
        let mut rates = [0.0; 2];
        for turn in 0..4 {
            for (number, server) in [&young, &old].into_iter().enumerate() {
                let rate = self.completions(server, &sessions[number]).await?;
                // The first turn fills caches.
                rates[number] += if turn == 0 { 0.0 } else { rate };
            }
        }
        let beside = Beside::goal(self.goal(85.0, 80.0));
        let row = format!(
            "completed/s with {} finished executions, against none",
            self.scale.past
        );
        let ratio = 100.0 * rates[1] / rates[0];
        self.report.add(&row, "%", ratio, beside);
        drop(young);
        empty.remove().await
    }

    async fn completions(&self, server: &Server, session: &str) -> anyhow::Result<f64> {
        let before = ended(server, "echo").await?;
        let body = submit(session);
        let began = Instant::now();
        let asked = ("/graphql", body.as_str(), ACCEPTED);
        let done = closed_loop(server.address, asked, CALLERS, self.scale.time * 2).await?;
        wait_for(server, "echo", before + count(done.requests)).await?;
        Ok(count(done.requests) / began.elapsed().as_secs_f64())
    }
}

/// The 95th percentile in milliseconds of requests that are made one after another.
pub(crate) async fn p95_of(
    server: &Server,
    requests: impl Iterator<Item = String>,
    expected: &str,
) -> anyhow::Result<f64> {
    let mut http = Http::open(server.address).await?;
    let mut latency = histogram()?;
    for (number, body) in requests.enumerate() {
        let asked = Instant::now();
        let answer = http.post("/graphql", &body).await?;
        anyhow::ensure!(answer.contains(expected), "{answer}");
        record(&mut latency, number, asked);
    }
    Ok(count(latency.value_at_percentile(95.0)) / 1e3)
}

/// Records the time of request `number`; the first ones fill caches and are left out.
fn record(latency: &mut hdrhistogram::Histogram<u64>, number: usize, asked: Instant) {
    if number >= 10 {
        latency.saturating_record(micros(asked.elapsed()));
    }
}
