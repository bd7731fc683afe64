//! `takeoff submit` and `takeoff watch`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    client::{
        Client, Target,
        operations::{
            CreateSession, CreateUpload, FindIntentType, GetExecution, SubmitIntent,
            create_session, create_upload, find_intent_type, get_execution, submit_intent,
        },
        refusal,
    },
    follow::{Feed, Show, is_end, text},
    output,
};

/// Files up to this size travel inside the intent.
const INLINE_BYTES: usize = 256 * 1024;

/// What to submit.
#[derive(Debug, Clone, Args)]
pub(super) struct Submit {
    /// The intent's type.
    intent_type: String,
    /// A parameter as NAME=VALUE; the value is JSON if it can be read as JSON, else text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Parameters as a JSON object.
    #[arg(long, value_name = "JSON")]
    params_json: Option<String>,
    /// A file to take in; one intent a file.
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The session; a new one if not given.
    #[arg(long)]
    session: Option<String>,
    /// Makes a repetition of the command find the same execution.
    #[arg(long)]
    key: Option<String>,
    /// The handler, where several serve the type.
    #[arg(long)]
    handler: Option<String>,
    /// Show events until the execution has ended.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    target: Target,
}

/// What to watch.
#[derive(Debug, Clone, Args)]
pub(super) struct Watch {
    /// The execution.
    execution: String,
    #[command(flatten)]
    target: Target,
}

/// `NAME=VALUE` as a parameter.
fn parameter(text: &str) -> anyhow::Result<(String, Value)> {
    let (name, value) = text
        .split_once('=')
        .with_context(|| format!("{text:?} is not NAME=VALUE"))?;
    anyhow::ensure!(!name.is_empty(), "{text:?} has no name");
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

impl Submit {
    fn parameters(&self) -> anyhow::Result<Map<String, Value>> {
        let mut parameters = match &self.params_json {
            Some(text) => {
                serde_json::from_str(text).context("--params-json is not a JSON object")?
            }
            None => Map::new(),
        };
        for param in &self.params {
            let (name, value) = parameter(param)?;
            parameters.insert(name, value);
        }
        Ok(parameters)
    }

    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let parameters = self.parameters()?;
        let session = match &self.session {
            Some(session) => session.clone(),
            None => new_session(&client).await?,
        };
        let mut intents = Vec::new();
        for file in &self.files {
            let mut parameters = parameters.clone();
            let named = if self.intent_type == "compose_journey" {
                "filename"
            } else {
                "ui_name"
            };
            let named = self
                .name_parameter(&client)
                .await?
                .unwrap_or(named.to_owned());
            parameters.extend(file_parameters(&client, file, &named).await?);
            intents.push((file.display().to_string(), parameters));
        }
        if self.files.is_empty() {
            intents.push((self.intent_type.clone(), parameters));
        }
        let mut show = Show::new(self.target.json);
        let mut all_completed = true;
        for (name, parameters) in intents {
            let execution = self.submit(&client, &session, parameters).await?;
            let id = execution.id.clone();
            if !self.watch {
                if self.target.json {
                    output::say_json(&execution, true);
                } else {
                    output::say(&id);
                }
                continue;
            }
            all_completed &= follow(&client, &id, &name, &mut show).await?;
        }
        Ok(ExitCode::from(u8::from(!all_completed)))
    }

    /// The parameter that takes a file's name, by the schema of the type.
    async fn name_parameter(&self, client: &Client) -> anyhow::Result<Option<String>> {
        let variables = find_intent_type::Variables {
            name: self.intent_type.clone(),
        };
        let found = client.run::<FindIntentType>(variables).await?.intent_type;
        let handlers = found.map(|found| found.handlers).unwrap_or_default();
        let takes = |name: &str| {
            let pointer = format!("/properties/{name}");
            handlers
                .iter()
                .any(|handler| handler.parameters_schema.pointer(&pointer).is_some())
        };
        Ok(["filename", "ui_name"]
            .into_iter()
            .find(|name| takes(name))
            .map(str::to_owned))
    }

    async fn submit(
        &self,
        client: &Client,
        session: &str,
        parameters: Map<String, Value>,
    ) -> anyhow::Result<submit_intent::Brief> {
        let input = submit_intent::SubmitIntentInput {
            intent_type: self.intent_type.clone(),
            session_id: session.to_owned(),
            handler_name: self.handler.clone(),
            idempotency_key: self.key.clone(),
            parameters: Some(Value::Object(parameters)),
            metadata: None,
            priority: None,
            run_at: None,
            solution_id: None,
        };
        let answer = client
            .run::<SubmitIntent>(submit_intent::Variables { input })
            .await?;
        refusal(&answer.submit_intent.errors)?;
        answer
            .submit_intent
            .execution
            .context("the server names no execution")
    }
}

/// A session for what follows.
pub(super) async fn new_session(client: &Client) -> anyhow::Result<String> {
    let input = create_session::CreateSessionInput {
        metadata: Some(json!({"client": "takeoff command line"})),
        session_id: None,
        solution_id: None,
        state: None,
        ttl_seconds: None,
        user_id: None,
    };
    let answer = client
        .run::<CreateSession>(create_session::Variables { input })
        .await?;
    refusal(&answer.create_session.errors)?;
    Ok(answer
        .create_session
        .session
        .context("the server names no session")?
        .id)
}

/// The parameters that bring a file: text inline, anything else by an upload.
pub(super) async fn file_parameters(
    client: &Client,
    file: &Path,
    named: &str,
) -> anyhow::Result<Map<String, Value>> {
    let bytes = tokio::fs::read(file)
        .await
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    content_parameters(client, &name, bytes, named).await
}

/// The same for content in memory.
pub(super) async fn content_parameters(
    client: &Client,
    name: &str,
    bytes: Vec<u8>,
    named: &str,
) -> anyhow::Result<Map<String, Value>> {
    let mut parameters = Map::from_iter([(named.to_owned(), json!(name))]);
    let small = bytes.len() <= INLINE_BYTES;
    match String::from_utf8(bytes) {
        Ok(text) if small => parameters.insert("content".to_owned(), json!(text)),
        Ok(text) => parameters.insert(
            "upload_id".to_owned(),
            upload(client, name, text.into()).await?,
        ),
        Err(error) => {
            let id = upload(client, name, error.into_bytes()).await?;
            parameters.insert("upload_id".to_owned(), id)
        }
    };
    Ok(parameters)
}

async fn upload(client: &Client, name: &str, bytes: Vec<u8>) -> anyhow::Result<Value> {
    let input = create_upload::CreateUploadInput {
        filename: name.to_owned(),
        mime_type: None,
        size_bytes: bytes.len().to_string(),
    };
    let answer = client
        .run::<CreateUpload>(create_upload::Variables { input })
        .await?
        .create_upload;
    refusal(&answer.errors)?;
    let url = answer
        .url
        .context("the server names no place for the upload")?;
    client.put(&url, bytes).await?;
    Ok(json!(
        answer.upload.context("the server names no upload")?.id
    ))
}

/// Shows events until the execution has ended; whether it completed.
pub(super) async fn follow(
    client: &Client,
    id: &str,
    name: &str,
    show: &mut Show,
) -> anyhow::Result<bool> {
    let mut completed = None;
    let feed = Feed::Execution(id.to_owned());
    feed.follow(client, |event| {
        show.event(name, event);
        if is_end(event) {
            completed = Some(text(event, "type") == "execution.completed");
        }
        true
    })
    .await?;
    if let Some(completed) = completed {
        return Ok(completed);
    }
    // The stream was already at its end: the execution itself says how it ended.
    let found = client
        .run::<GetExecution>(get_execution::Variables { id: id.to_owned() })
        .await?;
    let execution = found.execution.context("there is no such execution")?;
    Ok(matches!(
        execution.status,
        get_execution::ExecutionStatus::COMPLETED
    ))
}

impl Watch {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let mut show = Show::new(self.target.json);
        let completed = follow(&client, &self.execution, &self.execution, &mut show).await?;
        Ok(ExitCode::from(u8::from(!completed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_json_where_it_can_be() {
        let read = |text: &str| parameter(text).unwrap();
        assert_eq!(read("a=1"), ("a".into(), json!(1)));
        assert_eq!(read("a=x=y"), ("a".into(), json!("x=y")));
        assert_eq!(read("a={\"b\": true}"), ("a".into(), json!({"b": true})));
        assert_eq!(read("a="), ("a".into(), json!("")));
        assert!(parameter("a").is_err() && parameter("=1").is_err());
    }
}
