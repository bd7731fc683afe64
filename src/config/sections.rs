//! Every key: its type, default, range and meaning. The one place to add or change one.
//!
//! The doc comments are also the comments of `takeoff.sample.toml`.

use std::{net::SocketAddr, path::PathBuf};

use crate::model::{KeyRing, Labels};

use super::{
    Error, Issuers,
    intent_limits::IntentLimits,
    key::{Key, Section},
    labels::IntentLabels,
    layers::Layers,
    quotas::{MOST_A_SECOND, MOST_COST, MOST_EXECUTIONS, MOST_OPEN, MOST_STORED},
    retention::{KeptFor, KeptOtherwise},
    section::section,
    setting::{
        AuthMode, Hosts, LogFormat, Networks, Origins, Roles, Secret, ServiceUrl, TenantQuotas,
        Weights,
    },
    webhooks::Webhooks,
};

/// Every section, in the order of the documented file.
pub(super) const ALL: &[Section] = &[
    Top::SECTION,
    Http::SECTION,
    Auth::SECTION,
    Anonymous::SECTION,
    Graphql::SECTION,
    Database::SECTION,
    Redis::SECTION,
    Content::SECTION,
    S3::SECTION,
    Log::SECTION,
    Secrets::SECTION,
    Policy::SECTION,
    Runtime::SECTION,
    Webhooks::SECTION,
    Retention::SECTION,
    Quotas::SECTION,
    Limits::SECTION,
    Sessions::SECTION,
    Console::SECTION,
    Telemetry::SECTION,
];

/// Every key.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    ALL.iter().flat_map(|section: &Section| section.keys)
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const DAY_SECONDS: u64 = 24 * 60 * 60;
const MOST_BYTES: u64 = 1 << 30;

section! {
    /// Keys that belong to no section.
    pub(super) Top "" {
        /// Folder of everything the process keeps on local disk.
        data_dir: PathBuf [] = PathBuf::from("./data"),
    }
}

section! {
    /// The HTTP server.
    pub Http "http" {
        /// IP address and port to listen on; port 0 takes a free one.
        bind: SocketAddr [] = SocketAddr::from(([127, 0, 0, 1], 8080)),
        /// A second IP address and port to listen on, for whoever looks after the installation. There `/metrics`,
        /// introspection, `/api/openapi.json`, `/console`, `/graphiql` and `/api/docs` need no scope; with
        /// `auth.mode = "required"` the three pages are served nowhere else.
        operations_bind: Option<SocketAddr> [.example("127.0.0.1:9090")] = None,
        /// Address under which clients reach the server; the links it hands out begin with it.
        /// Unset: links are paths, at whatever address the client asked.
        public_url: Option<ServiceUrl> [
            .schemes(&["http", "https"]).example("https://takeoff.example.com")
        ] = None,
        /// PEM file with the server's certificate, followed by those that signed it; with it the server speaks TLS.
        /// The file is read again when it changes, as `tls_key` is.
        tls_certificate: Option<PathBuf> [.example("/etc/takeoff/tls.crt")] = None,
        /// PEM file with the key of the certificate.
        tls_key: Option<PathBuf> [.example("/etc/takeoff/tls.key")] = None,
        /// Largest body of a request in bytes, uploads excepted.
        max_body_bytes: usize [.within(1024, MOST_BYTES)] = MIB,
        /// Bytes of all bodies and messages over WebSocket together that have begun to arrive, uploads excepted; at least `max_body_bytes`.
        max_bodies_bytes: usize [.within(1024, MOST_BYTES)] = 64 * MIB,
        /// Connections that may be open at the same time. The limit on open files may allow fewer.
        max_connections: usize [.within(1, 1_000_000)] = 10_000,
        /// Most connections from one address; behind one of `trusted_proxies`, most requests of one address that are
        /// answered at the same time. Any other proxy is one address.
        max_connections_per_address: usize [.within(1, 1_000_000)] = 5_000,
        /// Longest time for the head of a request to arrive, in milliseconds.
        header_timeout_ms: u64 [.within(100, 600_000)] = 10_000,
        /// Longest time that a body may fall behind `body_bytes_per_second`, in milliseconds.
        body_timeout_ms: u64 [.within(100, 600_000)] = 10_000,
        /// The least rate at which the body of a request, or an upload, must arrive.
        body_bytes_per_second: u64 [.within(1, MOST_BYTES)] = 1024,
        /// Longest time that a connection may wait for its next request, in milliseconds.
        idle_timeout_ms: u64 [.within(100, 3_600_000)] = 60_000,
        /// Longest time for which a client may read nothing of what is sent to it, in milliseconds.
        write_timeout_ms: u64 [.within(100, 600_000)] = 10_000,
        /// Host names besides those of the loopback interface and of `public_url` under which clients may reach
        /// the server, without ports and with commas between them.
        allowed_hosts: Hosts [.example("takeoff.internal, 10.0.0.7")] = Hosts::default(),
        /// Addresses of proxies, or ranges of them, with commas between them, whose headers `X-Forwarded-For` and
        /// `X-Forwarded-Proto` say where a request comes from. Of anybody else they are not read.
        trusted_proxies: Networks [.example("10.0.0.0/8, 192.0.2.7")] = Networks::default(),
        /// Web origins besides the server's own whose pages may call it, with commas between them.
        cors_origins: Origins [.example("https://app.example.com, http://localhost:5173")]
            = Origins::default(),
    }
}

section! {
    /// Who may call.
    pub Auth "auth" {
        /// `development` trusts whoever reaches the server, which then listens on loopback addresses only;
        /// `required` serves nobody without a valid token.
        mode: AuthMode [] = AuthMode::Development,
        /// Proofs that are not good which one address may send at once; beyond it they are answered 429.
        failed_proofs_burst: u64 [.within(1, 1_000_000)] = 20,
        /// How many more it may send in a second.
        failed_proofs_per_second: u64 [.within(1, 1_000_000)] = 1,
        /// Roles that keys and tokens may have: each a name and its scopes, with commas between the roles.
        roles: Roles [] = Roles::default(),
        /// Issuers whose tokens (JWT) are trusted, each a table `[[auth.issuers]]`; as JSON in a variable or a flag.
        /// `url` and `audience` must be given, and `tenant` or `tenant_claim`; besides there are `jwks_file`,
        /// `algorithms`, `tenants`, `actor_claim`, `roles_claim`, `roles`, `default_roles`, `leeway_seconds`,
        /// `graphiql` and `console`.
        issuers: Issuers [
            .example(r#"[{ url = "https://login.example.com", audience = ["takeoff"], tenant = "acme" }]"#)
        ] = Issuers::default(),
        /// Secrets that sign access tokens, 1 to 8 of them with ids, as `content.signing_keys`; nodes must share them.
        /// Unset: one that is made once and kept in the file token.key in `data_dir`.
        token_keys: Option<KeyRing> [
            .example("k2:replace this by 32 random characters, k1:and that was the secret before it")
        ] = None,
    } with {
        /// Sessions of whoever has no proof.
        anonymous: Anonymous,
    }
}

section! {
    /// Anonymous sessions: `createAnonymousSession` gives whoever asks, without a proof, a session and the secret by
    /// which it alone is used. They need `auth.mode = "required"`; where every caller is trusted there are none.
    pub Anonymous "auth.anonymous" {
        /// The tenant that they live in until they are upgraded. Unset: there are none.
        tenant: Option<String> [.example("acme")] = None,
        /// What the holder of a secret may do in the session, as scopes with spaces between them: those that end with
        /// `:own`, and `intents:submit:TYPE` for each type that may be submitted. What is submitted may do no more.
        scopes: String [] = "sessions:read:own sessions:write:own executions:read:own artifacts:read:own".to_owned(),
        /// Sessions that one address may begin at once; beyond it it is answered 429.
        burst: u64 [.within(1, 1_000_000)] = 10,
        /// How many more it may begin in a minute.
        per_minute: u64 [.within(1, 1_000_000)] = 10,
        /// Life of a session that is not upgraded, in seconds.
        ttl_seconds: u64 [.within(60, 90 * DAY_SECONDS)] = DAY_SECONDS,
    }
}

section! {
    /// Limits of a GraphQL request; beyond them nothing of the request is run.
    pub Graphql "graphql" {
        /// Largest document in bytes.
        max_document_bytes: usize [.within(64, MOST_BYTES)] = 16 * KIB,
        /// Most tokens of a document.
        max_tokens: usize [.within(16, 1_000_000)] = 2_000,
        /// Most selections of a document, each fragment counted wherever it is used.
        max_selections: u64 [.within(1, 1_000_000)] = 1_000,
        /// Deepest nesting of fields.
        max_depth: u64 [.within(1, 100)] = 15,
        /// Most aliases, counted like selections.
        max_aliases: u64 [.within(0, 1_000_000)] = 30,
        /// Most directives, counted like selections.
        max_directives: u64 [.within(0, 1_000_000)] = 50,
        /// Most fields at the root of an operation.
        max_root_fields: u64 [.within(1, 1_000_000)] = 20,
        /// Highest cost of one request, with lists as long as they may be. A point of cost is a microsecond
        /// of processor time at most.
        max_cost: u64 [.within(1, u32::MAX as u64)] = 1_000_000,
        /// Cost that a tenant may add up to on one node in a second, on average: requests of GraphQL and REST,
        /// events that are delivered, uploads and downloads.
        cost_per_second: u64 [.within(1, u32::MAX as u64)] = 8_000_000,
        /// What a tenant may add up to on one node while another tenant asks, too, in hundredths of the node's processor
        /// time. What is more waits. Less means less delay for others, and less done for a tenant with much to do.
        tenant_share_percent: u64 [.within(1, 1_000)] = 50,
        /// Queries and mutations of one tenant that one node runs at the same time.
        max_concurrent_operations: usize [.within(1, 1_000_000)] = 1_000,
        /// Largest answer in bytes, each field counted as 64 bytes besides its text; the records that
        /// are read for it may have as many. An answer that gets larger ends with an error.
        max_answer_bytes: u64 [.within(1024, MOST_BYTES)] = 16 * MIB as u64,
        /// Longest time of a query or mutation, in milliseconds.
        timeout_ms: u64 [.within(1, 600_000)] = 10_000,
        /// Parsed and checked documents that are kept, each for a kibibyte of its text.
        cached_documents: u64 [.within(0, 1_000_000)] = 1_000,
        /// Folder of trusted documents: `NAME.graphql` files, which requests name by the SHA-256 of
        /// their text, and manifests `NAME.json` that give documents by id. Read at start.
        documents: Option<PathBuf> [.example("./documents")] = None,
        /// True to run nothing but trusted documents.
        trusted_only: bool [] = false,
        /// True to answer introspection.
        introspection: bool [] = true,
    }
}

section! {
    /// The database: the one durable truth.
    pub Database "database" {
        /// `sqlite://PATH` for one node, or `postgres://USER:PASSWORD@HOST/DATABASE`. Several hosts with commas between
        /// them, `HOST:PORT,HOST:PORT`, are a primary and its standbys: the primary is looked for among them.
        /// Unset: the file takeoff.db in `data_dir`.
        url: ServiceUrl [
            .schemes(&["sqlite", "postgres", "postgresql"])
            .example("postgres://takeoff:password@localhost/takeoff")
        ] = ServiceUrl::unset(),
        /// Connections in the pool; on SQLite those that read, besides the one that writes. On PostgreSQL the node's
        /// lease has one more.
        max_connections: u32 [.within(1, 10_000)] = 16,
        /// Group-commit writers, each of which keeps a connection of the pool. PostgreSQL only; SQLite has one.
        writers: usize [.within(1, 64)] = 2,
        /// Longest time that PostgreSQL works on one statement, in milliseconds.
        statement_timeout_ms: u64 [.within(1, 600_000)] = 10_000,
        /// Longest wait for a free connection, in milliseconds.
        acquire_timeout_ms: u64 [.within(1, 600_000)] = 5_000,
    }
}

section! {
    /// Redis: hints between nodes, the hot copy of state, shared limits. Never the truth.
    pub Redis "redis" {
        /// `redis://HOST` or `rediss://HOST` (TLS). Unset: all of it stays in this process.
        url: Option<ServiceUrl> [
            .schemes(&["redis", "rediss"]).example("redis://localhost:6379")
        ] = None,
    }
}

section! {
    /// The content store.
    pub Content "content" {
        /// `file:///ABSOLUTE/FOLDER`, or `s3://BUCKET/PREFIX`. Unset: the folder content in `data_dir`.
        url: ServiceUrl [.schemes(&["file", "s3"]).example("s3://takeoff-content")]
            = ServiceUrl::unset(),
        /// Largest upload in bytes.
        max_upload_bytes: u64 [.within(1, 1 << 40)] = 100 * 1024 * 1024,
        /// The most bytes that a tenant may have announced by `createUpload` without having sent them; an
        /// upload counts as 64 KiB at least.
        max_announced_bytes: u64 [.within(1, 1 << 50)] = 1024 * 1024 * 1024,
        /// Time for which the content of a deleted artifact is kept, in seconds, before it is
        /// removed.
        deleted_grace_seconds: u64 [.within(0, 365 * DAY_SECONDS)] = DAY_SECONDS,
        /// Secrets that sign the server's own upload and download URLs, 1 to 8 of them with ids, written ID:SECRET with
        /// commas between them; nodes must share them. The first signs, all are accepted. A secret has 32 random
        /// characters at least: `openssl rand -hex 32` makes one. Unset: one that is made once and kept in the file
        /// signing.key in `data_dir`.
        signing_keys: Option<KeyRing> [
            .example("k2:replace this by 32 random characters, k1:and that was the secret before it")
        ] = None,
        /// Time for which such a URL is valid, in seconds.
        url_ttl_seconds: u64 [.within(1, 7 * DAY_SECONDS)] = 300,
    } with {
        /// Access to an `s3://` store.
        s3: S3,
    }
}

section! {
    /// Access to an `s3://` store. Ignored for `file://`.
    pub S3 "content.s3" {
        /// Address of an S3-compatible service. Unset: AWS.
        endpoint: Option<ServiceUrl> [
            .schemes(&["http", "https"]).example("http://localhost:9000")
        ] = None,
        /// Region of the bucket.
        region: Option<String> [.example("eu-central-1")] = None,
        /// Id of the access key.
        access_key_id: Option<String> [.example("takeoff")] = None,
        /// The access key itself.
        secret_access_key: Option<Secret> [.example("secret")] = None,
        /// True to allow plain HTTP.
        allow_http: bool [] = false,
        /// True if the bucket is part of the path rather than of the host name.
        path_style: bool [] = false,
    }
}

section! {
    /// The log of what has happened.
    pub Log "log" {
        /// Secrets that sign checkpoints of the log, written as in `content.signing_keys`; nodes must share them.
        /// The first signs, all are known to `takeoff verify --chain`. Unset: with SQLite one that is made once and kept
        /// in the file checkpoint.key in `data_dir`; else nothing is signed.
        checkpoint_keys: Option<KeyRing> [
            .example("c1:replace this by 32 random characters")
        ] = None,
    }
}

section! {
    /// Sensitive parameters, which are stored encrypted.
    pub Secrets "secrets" {
        /// Secrets that encrypt the keys of sensitive parameters and of secrets of webhooks, written as in
        /// `content.signing_keys`; nodes must share them. The first encrypts, all decrypt; `takeoff secrets rotate` goes over
        /// to the first. Without them nothing that is encrypted can be read again. Unset: with SQLite one that is made once
        /// and kept in the file secrets.key in `data_dir`; else a handler with sensitive parameters and every webhook are
        /// refused.
        keys: Option<KeyRing> [
            .example("s1:replace this by 32 random characters")
        ] = None,
    }
}

section! {
    /// What callers may do besides their scopes: docs/policy.md.
    pub Policy "policy" {
        /// Folder of policies in Cedar: `*.cedar` for all tenants, `tenants/TENANT/*.cedar` for one besides. They can
        /// only restrict what scopes permit; `takeoff policy check` checks them. The folder is read again when it
        /// changes. Unset: everything is permitted that scopes permit.
        folder: Option<PathBuf> [.example("/etc/takeoff/policies")] = None,
        /// True to put every decision into the log, and not denials alone.
        log_decisions: bool [] = false,
    }
}

section! {
    /// The engine.
    pub Runtime "runtime" {
        /// The name by which operators see this node; the address that it listens on if not given.
        node_name: Option<String> [.example("worker-3")] = None,
        /// Labels of this node, which intent types may need.
        labels: Labels [.example("gpu=true, zone=a")] = Labels::default(),
        /// Intent types that run on nodes with these labels alone; on all nodes alike.
        intent_labels: IntentLabels [.example("transcribe = gpu:true, render = gpu:true zone:a")] = IntentLabels::default(),
        /// Handlers that run at the same time on this node.
        max_concurrent_executions: usize [.within(1, 100_000)] = 1_024,
        /// Slots of this node, in percent, that one tenant's executions may hold.
        tenant_slots_percent: usize [.within(1, 100)] = 80,
        /// Tenants that get more than one slot for each one of another while both wait.
        tenant_weights: Weights [.example("acme=4, globex=2")] = Weights::default(),
        /// Limits of intent types, by the names that their handlers give them: so many at once, so many within a time, or
        /// `off`. `all`, `tenant`, `all-rate` and `tenant-rate` may be set where none is declared. docs/limits.md.
        intent_limits: IntentLimits [.example("resize = customer:5 tenant-rate:100/1m, import = all:off")]
            = IntentLimits::default(),
        /// Writes that may wait for the group commit; beyond it callers are told to come back.
        queue_capacity: usize [.within(1, 10_000_000)] = 10_000,
        /// Largest number of writes in one commit.
        batch_max_items: usize [.within(1, 5_000)] = 500,
        /// Time for which a node holds its executions without renewing its lease, in seconds.
        lease_seconds: u64 [.within(1, 3_600)] = 10,
        /// Period at which a node renews its lease, in seconds; less than `lease_seconds`.
        heartbeat_seconds: u64 [.within(1, 3_600)] = 3,
        /// Period at which a quiet node looks for work and due timers, in milliseconds.
        poll_ms: u64 [.within(10, 60_000)] = 1_000,
        /// Period at which stranded executions are looked for, in seconds.
        sweep_seconds: u64 [.within(1, 3_600)] = 15,
        /// Time for which handlers may go on after a shutdown was asked for while other nodes can go on with their
        /// executions, in milliseconds; they are then handed over.
        hand_over_ms: u64 [.within(0, 3_600_000)] = 500,
        /// Time for which handlers may go on after a shutdown was asked for where no other node can, in seconds.
        shutdown_grace_seconds: u64 [.within(0, 3_600)] = 20,
        /// Time for which an idempotency key is remembered, in hours.
        idempotency_ttl_hours: u64 [.within(1, 24 * 3_650)] = 7 * 24,
    }
}

section! {
    /// How long what has ended is kept, from its end on: a number with `d`, `h`, `m` or `s` for days, hours, minutes or
    /// seconds, or `forever`. docs/retention.md says what goes and what stays.
    pub Retention "retention" {
        /// Executions that have completed, with their events, steps and state. An execution goes together with all
        /// below it, when the whole tree may go.
        completed: KeptFor [] = KeptFor::days(90),
        /// Executions that have failed.
        failed: KeptFor [] = KeptFor::days(90),
        /// Executions that were cancelled.
        cancelled: KeptFor [] = KeptFor::days(90),
        /// Tenants that have times of their own, with commas between them, by the names of the keys above.
        tenants: KeptOtherwise [.example("acme = completed:30d failed:365d, globex = completed:forever")]
            = KeptOtherwise::default(),
        /// Intent types that have times of their own, whatever the tenant; written like `tenants`.
        types: KeptOtherwise [.example("echo = completed:1h, parse_content = failed:forever")]
            = KeptOtherwise::default(),
        /// Sessions that were closed or have expired, once nothing is in them.
        sessions: KeptFor [] = KeptFor::days(90),
        /// Uploads, from their arrival on; those that did not arrive from when they could not any more.
        uploads: KeptFor [] = KeptFor::days(90),
        /// Keys of the API that were revoked or have expired.
        api_keys: KeptFor [] = KeptFor::days(90),
        /// Records of deleted artifacts from which nothing was made, or nothing whose record is still there, once their
        /// execution and their content are gone.
        deleted_artifacts: KeptFor [] = KeptFor::days(90),
        /// Content and large parameters, results and steps to which nothing refers: by default they stay. 1h at least, and
        /// longer than any execution and any backup takes; docs/retention.md says what has to hold. After it they are put
        /// aside, where they are found when they are needed after all, and after as long again they are removed.
        unreferenced_content: KeptFor [] = KeptFor::FOREVER,
        /// Bulk operations, once they have ended.
        operations: KeptFor [] = KeptFor::days(90),
        /// What is left of webhooks that were deleted: their entries in the log.
        webhooks: KeptFor [] = KeptFor::days(90),
        /// Period at which is looked for what may go, in seconds.
        period_seconds: u64 [.within(1, DAY_SECONDS)] = 60,
    }
}

section! {
    /// What a tenant may ask for; unset, it is not limited. Nodes that have the same Redis count together; others, and
    /// those that it does not answer in time, have a share each: the limit divided by the nodes that live.
    pub Quotas "quotas" {
        /// Intents that a tenant may submit in a second; as many at once after a second without any.
        submits_per_second: Option<u64> [.within(1, MOST_A_SECOND).example("200")] = None,
        /// Intents that one key, one user of an issuer, or one actor of a key's access tokens, may submit in a second.
        caller_submits_per_second: Option<u64> [.within(1, MOST_A_SECOND).example("50")] = None,
        /// Executions of a tenant that have not ended, at which it may submit no more; nodes may exceed it a little.
        executions: Option<u64> [.within(1, MOST_EXECUTIONS).example("5000")] = None,
        /// Bytes of content that a tenant may have: its artifacts, each stored form counted by itself, without those that
        /// are deleted; and uploads that no artifact was made of. At the limit it may announce no upload and submit no
        /// intent.
        stored_bytes: Option<u64> [.within(1, MOST_STORED).example("100000000000")] = None,
        /// Subscriptions and event streams that a tenant may have open.
        subscriptions: Option<u64> [.within(1, MOST_OPEN).example("1000")] = None,
        /// Sockets of the API over WebSocket that a tenant may have open.
        sockets: Option<u64> [.within(1, MOST_OPEN).example("200")] = None,
        /// Points of cost that a tenant may spend in a second, on all nodes together; as many, or `graphql.max_cost` if that
        /// is more, at once after a time without any. No node gives more than `graphql.cost_per_second`.
        cost_per_second: Option<u64> [.within(1, MOST_COST).example("2000000")] = None,
        /// Tenants that have limits of their own, with commas between them, by the names of the keys above.
        tenants: TenantQuotas [.example("acme = executions:500 sockets:10, globex = sockets:1000")]
            = TenantQuotas::default(),
    }
}

section! {
    /// Sizes that are refused when they are exceeded; nothing is stored then.
    pub Limits "limits" {
        /// Parameters of an intent, in bytes of JSON.
        parameters_bytes: usize [.within(1, MOST_BYTES)] = 512 * KIB,
        /// Result of an execution, in bytes of JSON.
        result_bytes: usize [.within(1, MOST_BYTES)] = 4 * MIB,
        /// State of a session or an execution, in bytes of JSON.
        state_bytes: usize [.within(1, MOST_BYTES)] = 256 * KIB,
        /// Metadata of an intent or a session, in bytes of JSON.
        metadata_bytes: usize [.within(1, MOST_BYTES)] = 16 * KIB,
        /// Payloads beyond it are kept in the content store instead of the database, in bytes.
        inline_bytes: usize [.within(1, MOST_BYTES)] = 8 * KIB,
        /// Semantic descriptor of an artifact, in bytes of JSON.
        artifact_descriptor_bytes: usize [.within(1, MOST_BYTES)] = 64 * KIB,
        /// Intents in one batch submit.
        batch_submit: usize [.within(1, 10_000)] = 1_000,
        /// Ancestors that an execution may have.
        tree_depth: u64 [.within(1, 1_000)] = 16,
        /// Executions below one that may live at the same time; nodes that add to one tree together may
        /// exceed it a little.
        tree_executions: u64 [.within(1, 1_000_000)] = 10_000,
        /// Schedules that a tenant may have.
        schedules: u64 [.within(0, 1_000_000)] = 1_000,
    }
}

section! {
    /// Sessions.
    pub Sessions "sessions" {
        /// Life of a session unless its creator says otherwise, in seconds.
        ttl_seconds: u64 [.within(1, 3_650 * DAY_SECONDS)] = 30 * DAY_SECONDS,
    }
}

section! {
    /// The console.
    pub Console "console" {
        /// Web origins whose pages may show the pages below `/console/embed/` in a frame, with commas between them.
        /// No page shows any other page of the console.
        frame_ancestors: Origins [.example("https://app.example.com")] = Origins::default(),
    }
}

section! {
    /// Logs and traces.
    pub Telemetry "telemetry" {
        /// Levels of the log, by module: `info`, or `warn,takeoff::runtime=debug`.
        log: String [.variable_is("TAKEOFF_LOG")] = "info".to_owned(),
        /// `text` for people, `json` with one object a line, `auto` for text on a terminal only.
        log_format: LogFormat [] = LogFormat::Auto,
        /// Base address of an OpenTelemetry collector that takes traces by HTTP (OTLP, protobuf).
        /// Unset: no traces.
        otlp_endpoint: Option<ServiceUrl> [
            .schemes(&["http", "https"]).example("http://localhost:4318")
        ] = None,
    }
}
