//! A tenant beside a hostile one: the time of a read and of a submit, beside what the tenant sees
//! when it is alone.

mod attacks;
mod price;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::future::try_join;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::{
    Scale,
    http::Http,
    load::{ACCEPTED, count, histogram, intent, micros, request, submit},
    report::{Beside, Report, show},
    rows::wait_for,
    seed::Seed,
    server::{Backend, Place, Server},
};
pub(crate) use attacks::attack;
use attacks::{KINDS, TENANT};

/// The most that a request may take beside a hostile tenant, as a multiple of what it takes alone.
const GOAL: f64 = 3.0;
/// The same where the hostile tenant has quotas.
const GOAL_WITH_QUOTAS: f64 = 1.5;
/// Its quotas; of the points of cost it may spend an eighth of the processor time of two cores.
pub(crate) const QUOTAS: &str = "hostile = submits_per_second:100 executions:500 subscriptions:1000 sockets:20 cost_per_second:250000";
/// The tenant that is measured.
const OTHER: &str = "other";
const READ: &str = "query Read($id: ID!) { session(id: $id) { state stateVersion } \
    executions(first: 10) { nodes { id status } } }";
/// The tenant asks like somebody at work, not like a flood of its own.
const PAUSE: Duration = Duration::from_millis(2);
/// The time that an attack goes on before its effect is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// Measures every kind whose name contains `wanted`, and what a point costs; with `quotas` of the hostile tenant the kinds
/// alone.
pub(crate) async fn measure(
    backend: Backend,
    scale: Scale,
    (wanted, quotas): (&str, Option<&str>),
    report: &mut Report,
) -> anyhow::Result<()> {
    let place = Place::new(backend).await?;
    // What the hostile tenant has from before was made without quotas.
    let server = Server::start(&place, &[]).await?;
    fill(&server, &place, scale).await?;
    let server = match quotas {
        None => server,
        Some(quotas) => {
            drop(server);
            Server::start(&place, &[("TAKEOFF_QUOTAS_TENANTS", quotas)]).await?
        }
    };
    let session = server.session_of(OTHER).await?;
    let goal = quotas.map_or(GOAL, |_| GOAL_WITH_QUOTAS);
    for kind in KINDS.iter().filter(|kind| kind.contains(wanted)) {
        beside(&server, &session, (kind, goal), scale, report).await?;
    }
    let found = if quotas.is_none() && "price".contains(wanted) {
        price::measure(&server, scale, report).await
    } else {
        Ok(())
    };
    drop(server);
    place.remove().await?;
    found
}

/// The hostile tenant has a past: a journey with children, artifacts with lineage, many executions.
async fn fill(server: &Server, place: &Place, scale: Scale) -> anyhow::Result<()> {
    let session = server.session_of(TENANT).await?;
    let (journeys, steps) = if scale.beside < Duration::from_secs(1) {
        (3, 5)
    } else {
        (100, 100)
    };
    let steps: Vec<Value> = (0..steps)
        .map(|n| json!({"name": format!("s{n}"), "intent_type": "echo", "parameters": {"message": "hello"}}))
        .collect();
    let journey = json!({"intentType": "compose_journey", "sessionId": session,
        "parameters": {"steps": steps}});
    let file = json!({"intentType": "ingest_file", "sessionId": session,
        "parameters": {"filename": "note.txt", "content": "hello"}});
    let submit = |intent| server.ask_as(TENANT, crate::load::SUBMIT, json!({"input": intent}));
    for _ in 0..journeys {
        submit(journey.clone()).await?;
    }
    wait_for(server, "compose_journey", f64::from(journeys)).await?;
    submit(file).await?;
    wait_for(server, "ingest_file", 1.0).await?;
    // Older than what the server has made.
    let mut seed = Seed::open(place).await?;
    seed.artifacts(scale.hostile_artifacts).await
}

async fn beside(
    server: &Server,
    session: &str,
    (kind, goal): (&str, f64),
    scale: Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let time = scale.beside;
    other(server, session, time / 4).await?;
    let alone = other(server, session, time).await?;
    let mut attacker = Attacker::start(kind, server, scale)?;
    other(server, session, WARM_UP.min(time)).await?;
    let (began, cpu) = (Instant::now(), server.cpu_micros()?);
    let under_attack = other(server, session, time).await?;
    let seconds = (server.cpu_micros()? - cpu) / 1e6 / began.elapsed().as_secs_f64();
    attacker.check(kind)?;
    drop(attacker);
    for (name, alone, now) in [
        ("read", &alone.read, &under_attack.read),
        ("submit", &alone.submit, &under_attack.submit),
    ] {
        let [alone, now] = [alone, now].map(|found| count(found.value_at_percentile(99.0)) / 1e3);
        let row = format!("{kind}: another tenant's {name}, p99 (limit: alone)");
        let beside = Beside::goal(goal * alone).limit(alone);
        report.add(&row, "ms", now, beside);
    }
    let row = format!("{kind}: processor seconds a second, server and database");
    report.add(&row, "s", seconds, Beside::goal(f64::NAN));
    rest(server).await
}

/// Waits until the work that an attack has left is done, before the next one is measured.
async fn rest(server: &Server) -> anyhow::Result<()> {
    let began = Instant::now();
    let is_busy = async || {
        let before = server.cpu_micros()?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        anyhow::Ok(server.cpu_micros()? - before > 40_000.0)
    };
    while is_busy().await? {
        if began.elapsed() > Duration::from_secs(20) {
            show("  the server is still busy with what the attack has left");
            return Ok(());
        }
    }
    Ok(())
}

/// The times of a tenant's requests.
struct Times {
    read: Histogram<u64>,
    submit: Histogram<u64>,
}

async fn other(server: &Server, session: &str, time: Duration) -> anyhow::Result<Times> {
    let read = request(READ, &json!({"id": session}));
    let submit = submit(session);
    let (read, submit) = try_join(
        again_and_again(server, &read, "stateVersion", time),
        again_and_again(server, &submit, ACCEPTED, time),
    )
    .await?;
    Ok(Times { read, submit })
}

async fn again_and_again(
    server: &Server,
    body: &str,
    expected: &str,
    time: Duration,
) -> anyhow::Result<Histogram<u64>> {
    let mut http = Http::open_as(OTHER, server.address).await?;
    let (mut times, began) = (histogram()?, Instant::now());
    while began.elapsed() < time {
        let asked = Instant::now();
        let answer = http.post("/graphql", body).await?;
        times.saturating_record(micros(asked.elapsed()));
        anyhow::ensure!(answer.contains(expected), "{answer}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}

/// The niceness of the hostile client's process.
const LOW_PRIORITY: &str = "15";

/// The hostile tenant: this program again, with a low priority, for its own work would not be done on
/// the server's machine.
struct Attacker(Child);

impl Attacker {
    fn start(kind: &str, server: &Server, scale: Scale) -> anyhow::Result<Self> {
        let address = server.address.to_string();
        let artifacts = scale.hostile_artifacts.to_string();
        let child = Command::new("setsid")
            .args(["nice", "-n", LOW_PRIORITY])
            .arg(std::env::current_exe()?)
            .args(["--attack", kind, &address])
            .env(attacks::ARTIFACTS, artifacts)
            .stdin(Stdio::null())
            .spawn()
            .context("the attack cannot be started")?;
        Ok(Self(child))
    }

    /// An attack goes on until it is ended.
    fn check(&mut self, kind: &str) -> anyhow::Result<()> {
        let ended = self.0.try_wait()?;
        anyhow::ensure!(ended.is_none(), "the attack {kind} has ended: {ended:?}");
        Ok(())
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The submits of the hostile tenant.
fn hostile_intents(session: &str, count: usize) -> Value {
    json!({"intents": vec![intent(session); count]})
}
