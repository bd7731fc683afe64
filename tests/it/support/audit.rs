//! One check of the whole history, after any fault: nothing acknowledged is lost, each outcome is recorded once, each
//! key leads to one execution, log, state, artifacts and subscribers agree, no update of a session's state is lost,
//! and nothing had to be repaired.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    time::Duration,
};

use serde_json::json;

use takeoff::{
    model::{
        ArtifactId, Cursor, Event, Execution, ExecutionId, ExecutionStatus, RawJson, SessionId,
    },
    runtime::SubmitIntent,
    storage::{ExecutionFilter, Feed, PageRequest, Relation},
};

use super::{Acknowledged, Backend, Load, TestApp, load::Seen};

/// So soon after a fault is over what it interrupted has run again.
const RECOVERY: Duration = Duration::from_secs(45);

/// The number of keys that are asked again, and of artifacts that are read again.
const SAMPLE: usize = 100;

impl TestApp {
    /// Waits until all that was acknowledged has ended, and checks everything.
    pub async fn audit(
        &self,
        backend: &Backend,
        load: &Load,
        acknowledged: &BTreeMap<String, Acknowledged>,
    ) {
        self.audit_within(backend, load, acknowledged, RECOVERY)
            .await;
    }

    /// The same, when so much was lost with nodes that it takes longer to run again.
    pub async fn audit_within(
        &self,
        backend: &Backend,
        load: &Load,
        acknowledged: &BTreeMap<String, Acknowledged>,
        recovery: Duration,
    ) {
        let kept = self.all_have_ended(acknowledged, recovery).await;
        let session: SessionId = load.session().parse().unwrap();
        let mut executions = self.all_executions().await;
        executions.retain(|one| one.intent.session_id == session);
        assert_one_execution_a_key(&kept, &executions);
        assert_each_ended_as_asked(&kept, &executions);
        let feed = self.settled_events(session, &executions).await;
        assert_each_stream_is_whole(&executions, &feed);
        self.assert_steps_were_kept(&executions).await;
        self.assert_lineage_is_whole(&kept, &executions).await;
        assert_subscriber_saw(load, &feed, acknowledged).await;
        self.assert_no_update_is_lost(load, session).await;
        self.assert_keys_lead_to_the_same(session, &kept).await;
        self.assert_content_is_whole(&kept, &executions).await;
        self.assert_verified().await;
        self.assert_nothing_was_repaired(backend).await;
    }

    /// Waits for the end of all that was acknowledged. What retention has removed had ended; the others are returned.
    async fn all_have_ended(
        &self,
        acknowledged: &BTreeMap<String, Acknowledged>,
        recovery: Duration,
    ) -> BTreeMap<String, Acknowledged> {
        let (scope, storage) = (self.principal().scope(), &self.services().storage);
        let ids: Vec<ExecutionId> = acknowledged.values().map(|one| one.id).collect();
        let mut found = HashSet::new();
        for ids in ids.chunks(500) {
            let there = storage.find_executions(&scope, ids).await.unwrap();
            found.extend(there.into_iter().map(|one| one.id));
        }
        let all = async {
            for &id in &found {
                self.ended(id).await;
            }
        };
        let recovered = tokio::time::timeout(recovery, all).await;
        assert!(recovered.is_ok(), "live: {:#?}", self.unfinished().await);
        let mut kept = acknowledged.clone();
        kept.retain(|_, one| found.contains(&one.id));
        kept
    }

    /// Whoever asks again with a key is led to the same execution.
    async fn assert_keys_lead_to_the_same(
        &self,
        session: SessionId,
        kept: &BTreeMap<String, Acknowledged>,
    ) {
        let step = kept.len() / SAMPLE + 1;
        for (key, one) in kept.iter().step_by(step) {
            let parameters = RawJson::from(&one.input["parameters"]);
            let intent_type = one.input["intentType"].as_str().unwrap();
            let mut intent = SubmitIntent::new(intent_type, session, parameters);
            intent.idempotency_key = Some(key.clone());
            let again = self.try_submit(intent).await.unwrap();
            assert!(again.replayed, "{key}");
            assert_eq!(again.execution.id, one.id, "{key}");
        }
    }

    /// Each client's own part of the session's state is what it wrote last.
    async fn assert_no_update_is_lost(&self, load: &Load, session: SessionId) {
        let scope = self.principal().scope();
        let found = self.services().state.get_session(&scope, session).await;
        let state = found.unwrap().unwrap().state.to_value();
        for (client, (found, wrote)) in load.counts() {
            let stored = state[&client].as_u64().unwrap_or(0);
            assert!(
                stored == found || stored == wrote,
                "{client} found {found} and wrote {wrote}, and there is {stored}"
            );
        }
    }

    /// Content of artifacts is read again, against its digest, by a handler as any other.
    async fn assert_content_is_whole(
        &self,
        kept: &BTreeMap<String, Acknowledged>,
        executions: &[Execution],
    ) {
        let results: HashMap<ExecutionId, &Execution> =
            executions.iter().map(|one| (one.id, one)).collect();
        let session = self.session().await;
        let made = kept
            .values()
            .filter(|one| one.input["intentType"] == "keep");
        for one in made.take(SAMPLE) {
            let execution = results[&one.id];
            if execution.status != ExecutionStatus::Completed {
                continue;
            }
            let artifact = execution.result.as_ref().unwrap().as_str();
            let read = json!({"artifact": artifact.trim_matches('"'), "way": "whole"});
            let read = self.run_in(session, "handle", read).await;
            assert_eq!(read.status, ExecutionStatus::Completed, "{read:?}");
            let bytes = one.input["parameters"]["bytes"].to_string();
            assert_eq!(read.result.unwrap().as_str(), bytes, "{artifact}");
        }
    }

    /// No execution stood nowhere: neither this server's sweep nor that of any process has repaired one.
    async fn assert_nothing_was_repaired(&self, backend: &Backend) {
        let metrics = self.http.get(self.url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let of_sweep = |line: &&str| line.starts_with("takeoff_sweep_repairs_total ");
        let repairs = metrics.lines().find(of_sweep);
        assert_eq!(repairs, Some("takeoff_sweep_repairs_total 0"));
        assert_logs_tell_of_no_repair(backend.folder.path());
    }

    async fn unfinished(&self) -> Vec<(ExecutionId, ExecutionStatus, Vec<String>)> {
        let mut unfinished = Vec::new();
        for one in self.all_executions().await {
            if !one.status.is_terminal() {
                let scope = self.principal().scope();
                let storage = &self.services().storage;
                let events = storage.events_after(&scope, one.id, 0, 1000).await.unwrap();
                let types = events.iter().map(|event| event.body.type_name()).collect();
                unfinished.push((one.id, one.status, types));
            }
        }
        unfinished
    }

    /// Every execution of the tenant.
    pub async fn all_executions(&self) -> Vec<Execution> {
        let (scope, filter) = (self.principal().scope(), ExecutionFilter::default());
        let mut all: Vec<Execution> = Vec::new();
        loop {
            let page = PageRequest {
                limit: 200,
                after: all.last().map(|execution| execution.id),
                before: None,
                backward: false,
            };
            let storage = &self.services().storage;
            let page = storage
                .list_executions(&scope, &filter, &page)
                .await
                .unwrap();
            all.extend(page.items.into_iter().map(|(_, execution)| execution));
            if !page.has_next {
                return all;
            }
        }
    }

    /// [`Self::session_events`], once no older transaction holds the feed up.
    async fn settled_events(&self, session: SessionId, executions: &[Execution]) -> Vec<Event> {
        let logged: i64 = executions.iter().map(|one| one.next_seq - 1).sum();
        self.until(|| async {
            let events = self.session_events(session).await;
            (i64::try_from(events.len()).unwrap() >= logged).then_some(events)
        })
        .await
    }

    /// Every event of a session's executions, in the order of the log.
    async fn session_events(&self, session: SessionId) -> Vec<Event> {
        let (scope, feed) = (self.principal().scope(), Feed::Session(session));
        let (mut all, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            let storage = &self.services().storage;
            let page = storage
                .feed_after(&scope, &feed, cursor, 500)
                .await
                .unwrap();
            if page.last <= cursor {
                return all;
            }
            cursor = page.last;
            all.extend(page.events);
        }
    }

    /// A step's result is that of one run, which every later attempt was given.
    async fn assert_steps_were_kept(&self, executions: &[Execution]) {
        let scope = self.principal().scope();
        let ids = executions
            .iter()
            .filter(|one| one.intent.intent_type == "steps");
        let ids: Vec<ExecutionId> = ids.map(|one| one.id).collect();
        let storage = &self.services().storage;
        let steps = storage.find_steps(&scope, &ids).await.unwrap();
        for one in executions.iter().filter(|one| ids.contains(&one.id)) {
            assert_eq!(one.status, ExecutionStatus::Completed, "{}", one.id);
            let recorded = |name: &str| {
                let step = steps[&one.id].iter().find(|step| step.name == name);
                step.unwrap().result.as_str().to_owned()
            };
            let expected = format!("[{},{}]", recorded("one"), recorded("two"));
            assert_eq!(
                one.result.as_ref().unwrap().as_str(),
                expected,
                "{}",
                one.id
            );
        }
    }

    /// Each artifact that was made has the parents that were asked for.
    async fn assert_lineage_is_whole(
        &self,
        acknowledged: &BTreeMap<String, Acknowledged>,
        executions: &[Execution],
    ) {
        let results: HashMap<ExecutionId, &Execution> =
            executions.iter().map(|one| (one.id, one)).collect();
        let mut asked: HashMap<ArtifactId, Vec<ArtifactId>> = HashMap::new();
        for one in acknowledged.values() {
            if one.input["intentType"] == "make" {
                let made = results[&one.id].result.as_ref().unwrap().as_str();
                let parents = one.input["parameters"]["parents"].clone();
                let parents: Vec<String> = serde_json::from_value(parents).unwrap();
                let parents = parents.iter().map(|id| id.parse().unwrap()).collect();
                asked.insert(made.trim_matches('"').parse().unwrap(), parents);
            }
        }
        let (scope, made) = (self.principal().scope(), asked.keys().copied());
        let storage = &self.services().storage;
        let made: Vec<ArtifactId> = made.collect();
        let found = storage
            .relatives_of(&scope, &made, Relation::Parents, 10)
            .await
            .unwrap();
        for (id, parents) in asked {
            let found = found.get(&id).map(Vec::as_slice).unwrap_or_default();
            let found: HashSet<ArtifactId> = found.iter().map(|(_, parent)| parent.id).collect();
            assert_eq!(found, parents.into_iter().collect(), "{id}");
        }
    }
}

/// Every key led to one execution, the acknowledged one, and nothing ran without a key or a parent.
fn assert_one_execution_a_key(
    acknowledged: &BTreeMap<String, Acknowledged>,
    executions: &[Execution],
) {
    let mut by_key: BTreeMap<&str, Vec<ExecutionId>> = BTreeMap::new();
    for one in executions.iter().filter(|one| one.parent_id.is_none()) {
        let key = one.intent.idempotency_key.as_deref().unwrap();
        by_key.entry(key).or_default().push(one.id);
    }
    let expected: BTreeMap<&str, Vec<ExecutionId>> = acknowledged
        .iter()
        .map(|(key, one)| (key.as_str(), vec![one.id]))
        .collect();
    assert_eq!(by_key, expected);
}

/// A fault of the platform is never the outcome of an execution.
fn assert_each_ended_as_asked(
    acknowledged: &BTreeMap<String, Acknowledged>,
    executions: &[Execution],
) {
    let found: HashMap<ExecutionId, &Execution> =
        executions.iter().map(|one| (one.id, one)).collect();
    for one in acknowledged.values() {
        let execution = found[&one.id];
        let expected = match one.input["intentType"].as_str().unwrap() {
            // Those of one session compete for its state.
            "talk" => continue,
            // Whoever kills a process for the third time, while this ran alone, has it blamed.
            _ if execution.crashes >= 3 && execution.status == ExecutionStatus::Failed => {
                assert_eq!(execution.error.as_ref().unwrap().code, "ATTEMPT_LOST");
                continue;
            }
            // Its policy allows four attempts, and those lost with a node do not count.
            "flaky"
                if one.input["parameters"]["failures"].as_i64().unwrap()
                    > 3 + execution.lost_attempts =>
            {
                ExecutionStatus::Failed
            }
            _ => ExecutionStatus::Completed,
        };
        assert_eq!(execution.status, expected, "{execution:?}");
    }
}

/// Dense and in order, from the creation to the one terminal event, which says what the row says.
fn assert_each_stream_is_whole(executions: &[Execution], feed: &[Event]) {
    let mut streams: HashMap<ExecutionId, Vec<&Event>> = HashMap::new();
    for event in feed {
        let id = event.execution_id().unwrap();
        streams.entry(id).or_default().push(event);
    }
    assert_eq!(streams.len(), executions.len());
    for one in executions {
        let stream = &streams[&one.id];
        let seqs: Vec<i64> = stream.iter().map(|event| event.cursor.seq).collect();
        let dense: Vec<i64> = (1..).take(seqs.len()).collect();
        assert_eq!(seqs, dense, "{}", one.id);
        let ends = stream.iter().filter(|event| event.body.is_terminal());
        assert_eq!(ends.count(), 1, "{}", one.id);
        let end = stream.last().unwrap().body.type_name();
        assert_eq!(
            end,
            format!("execution.{}", one.status.name()),
            "{}",
            one.id
        );
    }
}

/// The subscriber saw what the log holds, in its order; and of what retention has removed the whole stream.
async fn assert_subscriber_saw(
    load: &Load,
    feed: &[Event],
    acknowledged: &BTreeMap<String, Acknowledged>,
) {
    let seen_as = |event: &Event| Seen {
        execution_id: event.execution_id().unwrap(),
        sequence: event.cursor.seq,
        type_name: event.body.type_name(),
    };
    let logged: Vec<Seen> = feed.iter().map(seen_as).collect();
    let kept: HashSet<ExecutionId> = logged.iter().map(|one| one.execution_id).collect();
    let seen = load.seen(&kept, logged.len()).await;
    let (seen, removed): (Vec<Seen>, Vec<Seen>) = seen
        .into_iter()
        .partition(|one| kept.contains(&one.execution_id));
    // Compared step by step: two lists of thousands would not be read.
    for (place, (seen, logged)) in seen.iter().zip(&logged).enumerate() {
        assert_eq!(seen, logged, "at {place}");
    }
    assert_eq!(seen.len(), logged.len());
    let mut streams: HashMap<ExecutionId, Vec<Seen>> = HashMap::new();
    for one in removed {
        streams.entry(one.execution_id).or_default().push(one);
    }
    for one in acknowledged.values().filter(|one| !kept.contains(&one.id)) {
        assert!(
            streams.contains_key(&one.id),
            "{one:?} is gone and was never seen"
        );
    }
    for (id, stream) in streams {
        let seqs: Vec<i64> = stream.iter().map(|one| one.sequence).collect();
        let dense: Vec<i64> = (1..).take(seqs.len()).collect();
        assert_eq!(seqs, dense, "{id}");
        let ends = [
            "execution.completed",
            "execution.failed",
            "execution.cancelled",
        ];
        let is_end = |one: &&Seen| ends.contains(&one.type_name.as_str());
        assert_eq!(stream.iter().filter(is_end).count(), 1, "{id}: {stream:?}");
        assert!(is_end(&stream.last().unwrap()), "{id}: {stream:?}");
    }
}

/// What nodes of other processes, whether they live or not, have told of their sweeps.
fn assert_logs_tell_of_no_repair(folder: &Path) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let repair = log.lines().find(|line| line.contains("stood nowhere"));
            assert_eq!(repair, None, "{}", path.display());
        }
    }
}
