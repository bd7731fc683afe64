//! `takeoff submit` and `takeoff watch`.

use std::{cell::RefCell, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};

use super::{
    client::{
        Client, Target,
        operations::{
            CloseSession, CreateSession, FindIntentType, SubmitIntent, close_session,
            create_session, find_intent_type, submit_intent,
        },
        refusal,
    },
    failure,
    field::text,
    files::{self, Brought, Input},
    follow::follow,
    names::Kind,
    output,
    show::Show,
};

/// Files that are read and sent at the same time.
const SENT_AT_ONCE: usize = 8;
/// Executions that are watched at the same time.
const WATCHED_AT_ONCE: usize = 32;

/// The arguments of `submit`.
#[derive(Debug, Clone, Args)]
pub(super) struct Submit {
    /// The intent's type; `takeoff types` lists them.
    intent_type: String,
    /// A parameter as NAME=VALUE; the value is JSON if it can be read as JSON, else text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Parameters as a JSON object.
    #[arg(long, value_name = "JSON")]
    params_json: Option<String>,
    /// A file to take in, `-` for standard input; one intent a file, side by side.
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The session; a new one if not given.
    #[arg(long)]
    session: Option<String>,
    /// Makes a repetition of the command find the same execution; with several files, each has the
    /// key with its path behind it.
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

/// The arguments of `watch`.
#[derive(Debug, Clone, Args)]
pub(super) struct Watch {
    /// The execution.
    execution: String,
    /// Only events after this cursor.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// `NAME=VALUE` as a parameter.
pub(super) fn parameter(text: &str) -> anyhow::Result<(String, Value)> {
    let (name, value) = text
        .split_once('=')
        .with_context(|| format!("{text:?} is not NAME=VALUE"))?;
    anyhow::ensure!(!name.is_empty(), "{text:?} has no name");
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

/// An intent that was accepted.
struct Accepted {
    /// The name that the user gave it.
    label: String,
    execution: submit_intent::Brief,
    replayed: bool,
}

/// Where intents go.
struct Destination {
    client: Client,
    session: String,
    /// The parameter that takes a file's name.
    named: String,
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
        files::check(&self.files)?;
        let client = Client::new(&self.target);
        let parameters = self.parameters()?;
        let destination = Destination {
            session: match &self.session {
                Some(session) => Kind::Session.whole(&client, session).await?,
                None => new_session(&client).await?,
            },
            named: self.name_parameter(&client).await?,
            client,
        };
        let (accepted, refused) = self.submit_all(&destination, &parameters).await?;
        if self.session.is_none() {
            close_if_unused(&destination, &accepted).await?;
        }
        let mut code = if refused { 2 } else { 0 };
        if self.watch && !self.watch_all(&destination.client, &accepted).await? {
            code = code.max(1);
        }
        Ok(ExitCode::from(code))
    }

    /// Submits an intent for each file, or the only one; whether some were refused besides. A lone
    /// refusal is the command's error.
    async fn submit_all(
        &self,
        to: &Destination,
        parameters: &Map<String, Value>,
    ) -> anyhow::Result<(Vec<Accepted>, bool)> {
        let jobs: Vec<Option<PathBuf>> = if self.files.is_empty() {
            vec![None]
        } else {
            self.files.iter().cloned().map(Some).collect()
        };
        let is_only = jobs.len() == 1;
        let sent = stream::iter(jobs).map(|file| async move {
            let label = file.as_ref().map(|file| file.display().to_string());
            let label = label.unwrap_or_else(|| self.intent_type.clone());
            (label, self.submit_one(to, file, parameters.clone()).await)
        });
        let mut sent = std::pin::pin!(sent.buffered(SENT_AT_ONCE));
        let (mut accepted, mut refused) = (Vec::new(), false);
        while let Some((label, outcome)) = sent.next().await {
            match outcome {
                Ok(one) => {
                    self.say_accepted(&one)?;
                    accepted.push(one);
                }
                Err(error) if is_only => return Err(error),
                Err(error) => {
                    refused = true;
                    failure::report(&error.context(label), self.target.json);
                }
            }
        }
        Ok((accepted, refused))
    }

    fn say_accepted(&self, accepted: &Accepted) -> anyhow::Result<()> {
        if accepted.replayed && !self.target.json {
            output::complain("the key was used before: this is its execution");
        }
        if !self.watch && self.target.json {
            let mut shown = serde_json::to_value(&accepted.execution)?;
            shown["replayed"] = json!(accepted.replayed);
            output::say_json(&shown, true);
        } else if !self.watch {
            output::say_text(&accepted.execution.id);
        }
        Ok(())
    }

    /// Shows what happens to each until all have ended; whether all completed.
    async fn watch_all(&self, client: &Client, accepted: &[Accepted]) -> anyhow::Result<bool> {
        let show = RefCell::new(Show::new(self.target.json));
        let followed = stream::iter(accepted)
            .map(|one| follow(client, &one.execution.id, &one.label, None, &show));
        let mut followed = std::pin::pin!(followed.buffer_unordered(WATCHED_AT_ONCE));
        let mut all_completed = true;
        while let Some(completed) = followed.next().await {
            all_completed &= completed?;
        }
        Ok(all_completed)
    }

    /// The parameter that takes a file's name, by the schema of the type.
    async fn name_parameter(&self, client: &Client) -> anyhow::Result<String> {
        if self.files.is_empty() {
            return Ok(String::new());
        }
        let variables = find_intent_type::Variables {
            name: self.intent_type.clone(),
        };
        let found = client.run::<FindIntentType>(variables).await?.intent_type;
        let handlers = found.map(|found| found.handlers).unwrap_or_default();
        let takes = |name: &str| {
            let pointer = format!("/properties/{name}");
            let mut schemas = handlers.iter().map(|handler| &handler.parameters_schema);
            schemas.any(|schema| schema.pointer(&pointer).is_some())
        };
        let by_type = if self.intent_type == "compose_journey" {
            "filename"
        } else {
            "ui_name"
        };
        let known = ["filename", "ui_name"].into_iter().find(|name| takes(name));
        Ok(known.unwrap_or(by_type).to_owned())
    }

    async fn submit_one(
        &self,
        to: &Destination,
        file: Option<PathBuf>,
        parameters: Map<String, Value>,
    ) -> anyhow::Result<Accepted> {
        let (mut brought, mut label, mut key) = (
            Brought::default(),
            self.intent_type.clone(),
            self.key.clone(),
        );
        if let Some(file) = file {
            let input = Input::read(&file).await?;
            label.clone_from(&input.label);
            brought = input.bring(&to.client, &to.named).await?;
            if self.files.len() > 1 {
                key = key.map(|key| format!("{key}:{label}"));
            }
        }
        // What is said by hand goes before what a file brings.
        brought.parameters.extend(parameters);
        let mut session = to.session.clone();
        let mut answer = self
            .send(&to.client, &session, &brought, key.clone())
            .await?;
        if let Some(holder) = holder(&answer)
            && self.is_repetition(&holder, &mut session, &mut brought)
        {
            answer = self.send(&to.client, &session, &brought, key).await?;
        }
        refusal(&answer.errors)?;
        Ok(Accepted {
            label,
            execution: answer.execution.context("the server names no execution")?,
            replayed: answer.replayed,
        })
    }

    /// Takes over what a repetition of the command cannot know: the session that was made for the
    /// key's execution, and the upload of the same content. Whether there is any of it; the server
    /// then says whether the rest is the same.
    fn is_repetition(&self, holder: &Value, session: &mut String, brought: &mut Brought) -> bool {
        let intent = &holder["intent"];
        let of_key = text(&intent["session"], "id");
        let mut is_changed = false;
        if self.session.is_none() && !of_key.is_empty() && of_key != session {
            of_key.clone_into(session);
            is_changed = true;
        }
        let upload = &intent["parameters"]["upload_id"];
        let is_same_content = brought
            .metadata
            .as_ref()
            .is_some_and(|metadata| *metadata == intent["metadata"]);
        if is_same_content && upload.is_string() {
            brought
                .parameters
                .insert("upload_id".to_owned(), upload.clone());
            is_changed = true;
        }
        is_changed
    }

    async fn send(
        &self,
        client: &Client,
        session: &str,
        brought: &Brought,
        key: Option<String>,
    ) -> anyhow::Result<submit_intent::SubmitIntentSubmitIntent> {
        let input = submit_intent::SubmitIntentInput {
            intent_type: self.intent_type.clone(),
            session_id: session.to_owned(),
            handler_name: self.handler.clone(),
            idempotency_key: key,
            parameters: Some(Value::Object(brought.parameters.clone())),
            metadata: brought.metadata.clone(),
            priority: None,
            execution_id: None,
            run_at: None,
            solution_id: None,
        };
        let variables = submit_intent::Variables { input };
        Ok(client.run::<SubmitIntent>(variables).await?.submit_intent)
    }
}

/// The execution that holds the key, if that is why an intent was refused.
fn holder(answer: &submit_intent::SubmitIntentSubmitIntent) -> Option<Value> {
    let errors = serde_json::to_value(&answer.errors).ok()?;
    let mut errors = errors.as_array()?.iter();
    let conflict = errors.find(|error| text(error, "code") == "IDEMPOTENCY_KEY_CONFLICT")?;
    Some(conflict["execution"].clone()).filter(Value::is_object)
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
    let session = answer.create_session.session;
    Ok(session.context("the server names no session")?.id)
}

/// Closes the session that was made for intents that had been submitted before.
async fn close_if_unused(made: &Destination, accepted: &[Accepted]) -> anyhow::Result<()> {
    let is_used = |one: &Accepted| one.execution.intent.session.id == made.session;
    if accepted.is_empty() || accepted.iter().any(is_used) {
        return Ok(());
    }
    let input = close_session::CloseSessionInput {
        session_id: made.session.clone(),
        reason: Some("not used".to_owned()),
    };
    let variables = close_session::Variables { input };
    let answer = made.client.run::<CloseSession>(variables).await?;
    Ok(refusal(&answer.close_session.errors)?)
}

impl Watch {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let show = RefCell::new(Show::new(self.target.json));
        let id = Kind::Execution.whole(&client, &self.execution).await?;
        let completed = follow(&client, &id, &self.execution, self.after, &show).await?;
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
