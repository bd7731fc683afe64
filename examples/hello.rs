//! A server with one intent of its own, `greet`, and the API to submit it:
//!
//! ```text
//! cargo run --example hello
//! ```
//!
//! It is configured as Takeoff itself, by `takeoff.toml` and the environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use takeoff::prelude::*;

/// Whom to greet. The doc comments become the descriptions in the JSON Schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    /// A name, at least one character.
    #[schemars(length(min = 1))]
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

async fn greet(_: ExecutionContext, greet: Greet) -> Result<Greeting, HandlerError> {
    let text = format!("Hello, {}!", greet.name);
    Ok(Greeting { text })
}

struct Hello;

impl Solution for Hello {
    fn register(&self, registry: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        let handler = registry.handler("greet", "hello", greet);
        handler.description("Greets somebody by name.").register()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_process(&Overrides::default())?;
    let _telemetry = takeoff::telemetry::init(&config.telemetry, "hello")?;
    App::new(config).solution(Hello).serve().await
}
