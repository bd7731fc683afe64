//! `takeoff demo`: a server in this process, and files on their way through it.

use std::{collections::HashMap, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    Configured,
    client::{
        Client, Target,
        operations::{SubmitIntent, submit_intent},
        refusal,
    },
    field::text,
    files::Input,
    follow::{Feed, is_end},
    lineage, output,
    show::Show,
    submit::new_session,
};
use crate::app::{App, Server};

/// The files that ship with the program.
const SAMPLES: [(&str, &[u8]); 4] = [
    ("orders.csv", include_bytes!("samples/orders.csv")),
    ("catalog.json", include_bytes!("samples/catalog.json")),
    ("readings.ndjson", include_bytes!("samples/readings.ndjson")),
    ("notes.txt", include_bytes!("samples/notes.txt")),
];

/// The arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub(super) struct Demo {
    /// Files to push through the pipeline; samples if none are given.
    files: Vec<PathBuf>,
    /// End when everything has been shown, instead of going on serving.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(super) configured: Configured,
}

impl Demo {
    pub(super) async fn run(self, app: App) -> anyhow::Result<ExitCode> {
        let server = app.listen().await?;
        let shown = self.show(&server).await;
        let failed = match &shown {
            Ok(all_completed) => !all_completed,
            Err(error) => {
                output::complain(&format!("{error:#}"));
                true
            }
        };
        if !self.once && shown.is_ok() {
            output::say_text("serving; stop with Ctrl-C");
            crate::app::told_to_stop().await;
        }
        server.stop().await;
        Ok(ExitCode::from(u8::from(failed && self.once)))
    }

    async fn inputs(&self, client: &Client) -> anyhow::Result<Vec<(String, Map<String, Value>)>> {
        let mut inputs = Vec::new();
        for (name, bytes) in SAMPLES.iter().filter(|_| self.files.is_empty()) {
            let brought = Input::of(name, bytes).bring(client, "filename").await?;
            inputs.push(((*name).to_owned(), brought.parameters));
        }
        for file in &self.files {
            let input = Input::read(file).await?;
            let name = input.label.clone();
            let brought = input.bring(client, "filename").await?;
            inputs.push((name, brought.parameters));
        }
        Ok(inputs)
    }

    /// Pushes every file through the pipeline and shows what happens; whether all went well.
    async fn show(&self, server: &Server) -> anyhow::Result<bool> {
        let base = format!("http://{}", server.address());
        let target = Target {
            url: base.clone(),
            tenant: None,
            token: None,
            json: false,
        };
        let client = Client::new(&target);
        output::say_text(&format!("serving on {base}"));
        let session = new_session(&client).await?;
        let mut names: HashMap<String, String> = HashMap::new();
        for (name, mut parameters) in self.inputs(&client).await? {
            parameters.insert("journey_id".to_owned(), json!("content_pipeline"));
            names.insert(submit(&client, &session, parameters).await?, name);
        }
        let outcome = watch(&client, &session, names).await?;
        let mut last_profile = None;
        for profile in &outcome.profiles {
            let graph = lineage::lineage(&client, profile, true).await?;
            for line in lineage::tree(&graph, true) {
                output::say(&line);
            }
            last_profile = Some(profile.clone());
        }
        // With `--once` nobody is there any more to answer at that address.
        if !self.once {
            let page = graphiql(&base, last_profile.as_deref());
            output::say_text(&format!("ask about it: {page}"));
            output::say_text(&format!("look at it: {base}/console"));
        }
        Ok(outcome.failed == 0)
    }
}

async fn submit(
    client: &Client,
    session: &str,
    parameters: Map<String, Value>,
) -> anyhow::Result<String> {
    let input = submit_intent::SubmitIntentInput {
        intent_type: "compose_journey".to_owned(),
        session_id: session.to_owned(),
        handler_name: None,
        idempotency_key: None,
        parameters: Some(Value::Object(parameters)),
        metadata: None,
        priority: None,
        execution_id: None,
        run_at: None,
        solution_id: None,
    };
    let answer = client
        .run::<SubmitIntent>(submit_intent::Variables { input })
        .await?;
    refusal(&answer.submit_intent.errors)?;
    Ok(answer
        .submit_intent
        .execution
        .context("the server names no execution")?
        .id)
}

#[derive(Debug, Default)]
struct DemoOutcome {
    failed: usize,
    profiles: Vec<String>,
}

/// Shows the session's events until every journey has ended. Events of a journey's steps are shown
/// under its file's name.
async fn watch(
    client: &Client,
    session: &str,
    mut names: HashMap<String, String>,
) -> anyhow::Result<DemoOutcome> {
    let mut journeys = names.clone();
    let mut outcome = DemoOutcome::default();
    let mut show = Show::new(false);
    let feed = Feed::Session(session.to_owned());
    feed.follow(client, None, |event| {
        let execution = text(event, "executionId");
        let name = names.get(execution).cloned().unwrap_or_default();
        let child = &event["child"];
        if !child.is_null() {
            let step = format!("{name}/{}", text(&child["intent"], "intentType"));
            names.insert(text(child, "id").to_owned(), step);
        }
        let artifact = &event["artifact"];
        if text(artifact, "artifactType") == "deterministic_embeddings" {
            outcome.profiles.push(text(artifact, "id").to_owned());
        }
        let is_journey = journeys.contains_key(execution);
        // The bar belongs to the journey; its steps have lines of their own in a pipe.
        if is_journey || !matches!(show, Show::Bars(..)) {
            show.event(&name, event);
        }
        if is_journey && is_end(event) {
            outcome.failed += usize::from(text(event, "type") != "execution.completed");
            journeys.remove(execution);
        }
        !journeys.is_empty()
    })
    .await?;
    Ok(outcome)
}

/// The page with a query about what was just made.
fn graphiql(base: &str, artifact: Option<&str>) -> String {
    let query = match artifact {
        Some(id) => format!(
            "{{ artifact(id: \"{id}\") {{ displayName artifactType semanticDescriptor \
             lineage {{ nodes {{ depth artifact {{ artifactType displayName }} }} }} }} }}"
        ),
        None => {
            "{ executions(first: 10) { nodes { id status error { code message } } } }".to_owned()
        }
    };
    let mut url = format!("{base}/graphiql?query=");
    for byte in query.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    url
}
