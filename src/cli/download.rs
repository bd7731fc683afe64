//! `takeoff download`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use futures::StreamExt;
use serde_json::{Value, json};

use super::{
    client::{
        Client, Target,
        operations::{GetArtifact, get_artifact},
    },
    field::text,
    names::Kind,
    output,
};

/// The arguments of `download`.
#[derive(Debug, Clone, Args)]
pub(super) struct Download {
    /// The artifact.
    artifact: String,
    /// Where to write it, `-` for standard output; its own name in this folder if not given.
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// The stored form, e.g. `ndjson`, where there are several.
    #[arg(long)]
    format: Option<String>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

impl Download {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = Client::new(&self.target);
        let id = Kind::Artifact.whole(&client, &self.artifact).await?;
        let variables = get_artifact::Variables { id };
        let found = client.run::<GetArtifact>(variables).await?.artifact;
        let found = found.with_context(|| format!("there is no artifact {}", self.artifact))?;
        let form = self.form(&serde_json::to_value(&found)?)?;
        let answer = client.get(text(&form, "downloadUrl")).await?;
        if self.output.as_deref() == Some(Path::new("-")) {
            write(answer, &mut std::io::stdout().lock()).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let path = match &self.output {
            Some(path) => path.clone(),
            None => own_name(&answer, text(&form, "format")),
        };
        let bytes = self.save(answer, &path).await?;
        if self.target.json {
            output::say_json(&json!({"path": path, "size_bytes": bytes}), false);
        } else {
            let bytes = output::grouped(bytes);
            output::say_text(&format!("{} ({bytes} bytes)", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The stored form that is wanted.
    fn form(&self, artifact: &Value) -> anyhow::Result<Value> {
        let forms = artifact["materializations"].as_array();
        let is_there = |form: &&Value| form["downloadUrl"].is_string();
        let forms: Vec<&Value> = forms.into_iter().flatten().filter(is_there).collect();
        let formats: Vec<&str> = forms.iter().map(|form| text(form, "format")).collect();
        let is_wanted = |form: &&&Value| {
            self.format
                .as_deref()
                .is_none_or(|f| f == text(form, "format"))
        };
        let wanted: Vec<&&Value> = forms.iter().filter(is_wanted).collect();
        match wanted.as_slice() {
            [one] => Ok((**one).clone()),
            [] if forms.is_empty() => anyhow::bail!("the artifact has no content"),
            [] => anyhow::bail!("the artifact has {}", formats.join(", ")),
            _ => anyhow::bail!("--format says which of {}", formats.join(", ")),
        }
    }

    /// Writes beside the place first, so that what is there is whole.
    async fn save(&self, answer: reqwest::Response, path: &Path) -> anyhow::Result<u64> {
        let told = || format!("{} cannot be written", path.display());
        anyhow::ensure!(
            self.force || !path.exists(),
            "{} is there already; --force replaces it",
            path.display()
        );
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        let partial = PathBuf::from(partial);
        let mut file = std::fs::File::create(&partial).with_context(told)?;
        let written = write(answer, &mut file).await;
        if written.is_ok() {
            std::fs::rename(&partial, path).with_context(told)?;
        } else {
            let _ = std::fs::remove_file(&partial);
        }
        written
    }
}

async fn write(answer: reqwest::Response, to: &mut impl Write) -> anyhow::Result<u64> {
    let mut parts = answer.bytes_stream();
    let mut bytes = 0;
    while let Some(part) = parts.next().await {
        let part = part.context("the download broke off")?;
        to.write_all(&part)
            .context("the content cannot be written")?;
        bytes += part.len() as u64;
    }
    to.flush().context("the content cannot be written")?;
    Ok(bytes)
}

/// The name that the server gives the content, as a name in this folder.
fn own_name(answer: &reqwest::Response, format: &str) -> PathBuf {
    let header = answer.headers().get("content-disposition");
    let header = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let encoded = header.split("filename*=UTF-8''").nth(1).unwrap_or_default();
    let pair = format!("n={}", encoded.replace('+', "%2B"));
    let name = url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, name)| output::clean(&name))
        .unwrap_or_default();
    let name = Path::new(&name).file_name().map(PathBuf::from);
    name.unwrap_or_else(|| PathBuf::from(format!("content.{format}")))
}
