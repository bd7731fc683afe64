//! What many tenants, and many nodes, cost beside one.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde_json::json;

use crate::{
    http::Http,
    load::{ACCEPTED, closed_loop, count, exactly, request, submit, submit_many},
    report::Beside,
    rows::{Run, accepting, ended, wait_for},
    server::{Backend, Place, Server},
};

const CREATE_SESSION: &str = "mutation { createSession(input: {}) { session { id } } }";
/// The part of one tenant's speed at which as many tenants with one intent each are to be served.
const OF_ONE_TENANT: f64 = 0.8;
/// The part of one node's speed that several are to reach together on the same processors.
const OF_ONE_NODE: f64 = 0.85;
/// Connections at a time.
const CALLERS: usize = 16;

impl Run<'_> {
    /// As many tenants as the backlog is long, an intent each, beside one tenant with all of them.
    pub(crate) async fn tenants(&mut self) -> anyhow::Result<()> {
        let intents = self.scale.of_tenants;
        let (server, session) = accepting(&self.place, &[]).await?;
        let many = submit_many(&session, 100);
        exactly(server.address, &many, 8, intents / 100).await?;
        server.stop().await?;
        let of_one = drained(&self.place, intents).await?;

        let place = Place::new(self.place.backend).await?;
        let (server, _) = accepting(&place, &[]).await?;
        one_each(&server, intents).await?;
        server.stop().await?;
        let of_many = drained(&place, intents).await?;
        place.remove().await?;
        let row = format!("intents of {intents} tenants, one each (limit: as many of one tenant)");
        let beside = Beside::goal(OF_ONE_TENANT * of_one).limit(of_one);
        self.report.add(&row, "/s", of_many, beside);
        Ok(())
    }

    /// Submitted and completed by one, two and three nodes that share a database.
    pub(crate) async fn fleet(&mut self) -> anyhow::Result<()> {
        if self.place.backend == Backend::Sqlite {
            return Ok(());
        }
        let mut of_one = f64::NAN;
        for nodes in 1..=3 {
            let place = Place::new(self.place.backend).await?;
            let rate = served(&place, nodes, self.scale.sustained).await?;
            place.remove().await?;
            let beside = if nodes == 1 {
                of_one = rate;
                Beside::goal(f64::NAN)
            } else {
                Beside::goal(OF_ONE_NODE * of_one).limit(of_one)
            };
            let row =
                format!("submitted and completed by {nodes} nodes, 64 callers (limit: one node)");
            self.report.add(&row, "/s", rate, beside);
            self.settle().await;
        }
        Ok(())
    }
}

/// Intents a second of a backlog of so many, from when a node that starts on it is ready.
async fn drained(place: &Place, intents: usize) -> anyhow::Result<f64> {
    let server = Server::start(place, &[]).await?;
    let (began, before) = (Instant::now(), ended(&server, "echo").await?);
    let all = count(intents as u64);
    wait_for(&server, "echo", all).await?;
    Ok((all - before) / began.elapsed().as_secs_f64())
}

/// An intent of each of so many tenants.
async fn one_each(server: &Server, tenants: usize) -> anyhow::Result<()> {
    let create = request(CREATE_SESSION, &json!({}));
    let create = create.as_str();
    let loops = (0..CALLERS).map(|caller| async move {
        for tenant in (caller..tenants).step_by(CALLERS) {
            let mut http = Http::open_as(&format!("t{tenant}"), server.address).await?;
            let answer = http.post("/graphql", create).await?;
            let answer: serde_json::Value = serde_json::from_str(answer)?;
            let session = &answer["data"]["createSession"]["session"]["id"];
            let Some(session) = session.as_str() else {
                anyhow::bail!("no session: {answer}");
            };
            let answer = http.post("/graphql", &submit(session)).await?;
            anyhow::ensure!(answer.contains(ACCEPTED), "{answer}");
        }
        Ok(())
    });
    try_join_all(loops).await.map(|_: Vec<()>| ())
}

/// Intents a second, from the first submit to the last end, of as many callers whatever the number of nodes.
async fn served(place: &Place, nodes: usize, time: Duration) -> anyhow::Result<f64> {
    let mut servers = vec![Server::start(place, &[]).await?];
    while servers.len() < nodes {
        servers.push(Server::start(place, &[]).await?);
    }
    let session = servers[0].session().await?;
    let body = submit(&session);
    let began = Instant::now();
    let loads = servers.iter().map(|server| {
        let request = ("/graphql", body.as_str(), ACCEPTED);
        closed_loop(server.address, request, 64 / nodes, time)
    });
    let submitted: u64 = try_join_all(loads)
        .await?
        .iter()
        .map(|done| done.requests)
        .sum();
    let is_late = || began.elapsed() > time + Duration::from_mins(5);
    loop {
        let each = servers.iter().map(|server| ended(server, "echo"));
        let all: f64 = try_join_all(each).await?.into_iter().sum();
        if all >= count(submitted) {
            break;
        }
        anyhow::ensure!(!is_late(), "executions do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(count(submitted) / began.elapsed().as_secs_f64())
}
