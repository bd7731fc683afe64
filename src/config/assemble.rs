//! A configuration from its layers: the defaults, a file, the environment, the command line.

use super::{
    Config, Error, Overrides, check, environment,
    file::File,
    layers::Layers,
    sections::{
        Auth, Console, Content, Database, Graphql, Http, Limits, Log, Policy, Quotas, Redis,
        Retention, Runtime, Secrets, Sessions, Telemetry, Top,
    },
    webhooks::Webhooks,
};

impl Config {
    /// Puts the layers one over the other.
    pub(super) fn assemble(
        file: Option<&File>,
        env: impl Iterator<Item = (String, String)>,
        cli: &Overrides,
    ) -> Result<Self, Error> {
        let mut layers = Layers::default();
        layers.cover(file.map(File::read).transpose()?.unwrap_or_default());
        layers.cover(environment::given(env)?);
        layers.cover(cli.given()?);
        let config = Self::read(layers)?;
        check::consistent(&config)?;
        Ok(config)
    }

    fn read(mut layers: Layers) -> Result<Self, Error> {
        let top = Top::read(&mut layers)?;
        let derived = check::derive(&top.data_dir, layers.origin("data_dir"))?;
        layers.fill("database.url", derived.database_url);
        layers.fill("content.url", derived.content_url);
        Ok(Self {
            data_dir: top.data_dir,
            http: Http::read(&mut layers)?,
            auth: Auth::read(&mut layers)?,
            graphql: Graphql::read(&mut layers)?,
            database: Database::read(&mut layers)?,
            redis: Redis::read(&mut layers)?,
            content: Content::read(&mut layers)?,
            log: Log::read(&mut layers)?,
            secrets: Secrets::read(&mut layers)?,
            policy: Policy::read(&mut layers)?,
            runtime: Runtime::read(&mut layers)?,
            webhooks: Webhooks::read(&mut layers)?,
            retention: Retention::read(&mut layers)?,
            quotas: Quotas::read(&mut layers)?,
            limits: Limits::read(&mut layers)?,
            sessions: Sessions::read(&mut layers)?,
            console: Console::read(&mut layers)?,
            telemetry: Telemetry::read(&mut layers)?,
            entries: layers.into_entries(),
        })
    }
}
