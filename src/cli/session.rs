//! `takeoff session`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    client::{
        Client, Target,
        operations::{
            CloseSession, CreateSession, GetSession, ListSessions, close_session, create_session,
            get_session, list_sessions,
        },
        refusal,
    },
    field::text,
    inspect::{document, fact},
    list::{named, noted},
    names::Kind,
    output::{self, Line, Tone},
    paging::{Paging, Part},
};

/// The arguments of `session`.
#[derive(Debug, Clone, Args)]
pub(super) struct Session {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Begin a session and print its id.
    Create(Create),
    /// Show a session with its state.
    Show(One),
    /// List sessions.
    List(List),
    /// Close a session: it accepts no more intents and no more state.
    Close(One),
}

#[derive(Debug, Clone, Args)]
struct Create {
    /// The user; an anonymous session if not given.
    #[arg(long)]
    user: Option<String>,
    /// The solution that its intents go to unless they say otherwise.
    #[arg(long)]
    solution: Option<String>,
    /// Its life, in seconds.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<i64>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct One {
    /// The session.
    session: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct List {
    /// Only of this status; may be repeated.
    #[arg(long, ignore_case = true, value_parser = ["ACTIVE", "UPGRADED", "CLOSED", "EXPIRED"])]
    status: Vec<String>,
    /// Only of this user.
    #[arg(long)]
    user: Option<String>,
    /// Only with this in its metadata; may be repeated. The value is JSON if it can be read as JSON, else
    /// text.
    #[arg(long, value_name = "NAME=VALUE")]
    metadata: Vec<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    target: Target,
}

impl Session {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Create(create) => create.run().await?,
            Action::Show(one) => one.show().await?,
            Action::List(list) => list.run().await?,
            Action::Close(one) => one.close().await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let input = create_session::CreateSessionInput {
            metadata: None,
            session_id: None,
            solution_id: self.solution,
            state: None,
            ttl_seconds: self.ttl,
            user_id: self.user,
        };
        let variables = create_session::Variables { input };
        let answer = Client::new(&self.target)
            .run::<CreateSession>(variables)
            .await?;
        let answer = answer.create_session;
        refusal(&answer.errors)?;
        let session = answer.session.context("the server names no session")?;
        if self.target.json {
            output::say_json(&session, true);
        } else {
            output::say_text(&session.id);
        }
        Ok(())
    }
}

impl One {
    async fn show(self) -> anyhow::Result<()> {
        let client = Client::new(&self.target);
        let id = Kind::Session.whole(&client, &self.session).await?;
        let found = client
            .run::<GetSession>(get_session::Variables { id })
            .await?
            .session;
        let found = found.with_context(|| format!("there is no session {}", self.session))?;
        let found = serde_json::to_value(found)?;
        if self.target.json {
            output::say_json(&found, true);
            return Ok(());
        }
        let status = text(&found, "status");
        fact("session", Tone::Plain, text(&found, "id"));
        fact("status", Tone::of(status), status);
        let user = found["userId"].as_str().unwrap_or("anonymous");
        fact("user", Tone::Plain, user);
        fact(
            "created",
            Tone::Plain,
            &output::time(text(&found, "createdAt")),
        );
        fact(
            "expires",
            Tone::Plain,
            &output::time(text(&found, "expiresAt")),
        );
        fact("version", Tone::Plain, text(&found, "stateVersion"));
        document("state", &found["state"]);
        Ok(())
    }

    async fn close(self) -> anyhow::Result<()> {
        let client = Client::new(&self.target);
        let input = close_session::CloseSessionInput {
            session_id: Kind::Session.whole(&client, &self.session).await?,
            reason: None,
        };
        let variables = close_session::Variables { input };
        let answer = client.run::<CloseSession>(variables).await?.close_session;
        refusal(&answer.errors)?;
        let session = answer.session.context("the server names no session")?;
        if self.target.json {
            output::say_json(&session, true);
        } else {
            output::say(&Line::of(&session.id).toned(Tone::Faint, " CLOSED"));
        }
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::new(&self.target);
        let metadata = noted(&self.metadata, |key, value| list_sessions::MetadataFilter {
            key,
            value,
        })?;
        let filter = list_sessions::SessionFilter {
            status: named(&self.status)?,
            user_id: self.user.clone(),
            metadata,
        };
        let list = self.paging.collect(async |first, after| {
            let variables = list_sessions::Variables {
                filter: Some(filter.clone()),
                first: Some(first),
                after,
            };
            Part::of(&client.run::<ListSessions>(variables).await?.sessions)
        });
        list.await?.say(self.target.json, "such sessions", line);
        Ok(())
    }
}

fn line(node: &Value) -> Vec<Line> {
    let status = text(node, "status");
    let line = Line::default()
        .column(Tone::Faint, &output::id(text(node, "id")), 10)
        .column(Tone::of(status), status, 9)
        .column(
            Tone::Plain,
            node["userId"].as_str().unwrap_or("anonymous"),
            24,
        )
        .then(&output::time(text(node, "createdAt")));
    vec![line]
}
