//! Databases with a past: rows made by SQL from a real one of each kind, in the millions.

use anyhow::Context;
use sqlx::{Any, AnyConnection, Connection, any::install_default_drivers, query::Query};

use crate::server::{Backend, Place};

/// Rows of one statement; a database keeps the undo of one transaction at a time.
const CHUNK: u64 = 200_000;

/// A connection beside the server's.
pub(crate) struct Seed {
    db: AnyConnection,
    backend: Backend,
}

fn sql(text: &str) -> Query<'static, Any, sqlx::any::AnyArguments> {
    sqlx::query(sqlx::AssertSqlSafe(text.to_owned()))
}

impl Seed {
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        install_default_drivers();
        let db = AnyConnection::connect(&place.url).await?;
        Ok(Self {
            db,
            backend: place.backend,
        })
    }

    /// The UUID that stands for the number `n` in rows of one kind.
    fn uuid(&self, kind: &str) -> String {
        match self.backend {
            Backend::Postgres => format!("('{kind}' || lpad(to_hex(n), 28, '0'))::uuid"),
            Backend::Sqlite => format!("unhex('{kind}' || printf('%028x', n))"),
        }
    }

    /// `INSERT INTO table (columns) SELECT values FROM n, from`, for n from `first` to `last`.
    async fn fill(
        &mut self,
        (table, columns, values, from): (&str, &str, &str, &str),
        last: u64,
    ) -> anyhow::Result<()> {
        for first in (1..=last).step_by(usize::try_from(CHUNK)?) {
            let end = last.min(first + CHUNK - 1);
            let (series, all) = match self.backend {
                Backend::Postgres => (
                    String::new(),
                    format!("generate_series({first}::bigint, {end}) AS s(n)"),
                ),
                Backend::Sqlite => (
                    format!(
                        "WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {end}) "
                    ),
                    "s".to_owned(),
                ),
            };
            let text =
                format!("INSERT INTO {table} ({columns}) {series}SELECT {values} FROM {all}{from}");
            let done = sql(&text).execute(&mut self.db).await;
            done.with_context(|| format!("{table} from {first}"))?;
        }
        Ok(())
    }

    /// The columns of a table but those named, as a list and as those of the template `t`.
    async fn others(&mut self, table: &str, but: &[&str]) -> anyhow::Result<(String, String)> {
        let text = match self.backend {
            Backend::Postgres => format!(
                "SELECT column_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'"
            ),
            Backend::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
        };
        let names: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .fetch_all(&mut self.db)
            .await?;
        let kept: Vec<String> = names
            .into_iter()
            .map(|(name,)| format!("\"{name}\""))
            .filter(|name| !but.contains(&name.trim_matches('"')))
            .collect();
        let of_template: Vec<String> = kept.iter().map(|name| format!("t.{name}")).collect();
        Ok((kept.join(", "), of_template.join(", ")))
    }

    /// `count` more executions like the newest finished one, with or without their events.
    pub(crate) async fn executions(&mut self, count: u64, events: bool) -> anyhow::Result<()> {
        let template = ", (SELECT * FROM execution WHERE finished_at IS NOT NULL \
             AND status = 2 ORDER BY id DESC LIMIT 1) t";
        let id = self.uuid("018f");
        let (names, values) = self
            .others(
                "execution",
                &["id", "intent_id", "idempotency_key", "last_tx"],
            )
            .await?;
        let columns = format!("id, intent_id, last_tx, {names}");
        let values = format!("{id}, {id}, 1, {values}");
        self.fill(("execution", &columns, &values, template), count)
            .await?;
        if events {
            let template = ", (SELECT * FROM event WHERE stream_id = (SELECT id FROM execution \
                 WHERE finished_at IS NOT NULL AND status = 2 ORDER BY id DESC LIMIT 1)) t";
            let (names, values) = self.others("event", &["stream_id", "tx", "ord"]).await?;
            let columns = format!("stream_id, tx, ord, {names}");
            let values = format!("{id}, 1, n * 8 + t.seq, {values}");
            self.fill(("event", &columns, &values, template), count)
                .await?;
        }
        self.analyze().await
    }

    /// `count` artifacts like the newest one, of as many executions, with three parents each from
    /// among the ten thousand before, or fewer where there are not many.
    pub(crate) async fn artifacts(&mut self, count: u64) -> anyhow::Result<()> {
        self.executions(count, false).await?;
        let template = ", (SELECT * FROM artifact ORDER BY key DESC LIMIT 1) t";
        let (id, execution) = (self.uuid("0a47"), self.uuid("018f"));
        let but = ["key", "id", "execution_id", "intent_id"];
        let (names, values) = self.others("artifact", &but).await?;
        let columns = format!("key, id, execution_id, intent_id, {names}");
        let values = format!("n + {FIRST_KEY}, {id}, {execution}, {execution}, {values}");
        self.fill(("artifact", &columns, &values, template), count)
            .await?;
        let window = (count / 10).clamp(10, 10_000);
        for step in [7_919, 104_729, 15_485_863_u64] {
            let parent = format!("n + {FIRST_KEY} - 1 - (n * {step} + {step}) % {window}");
            let values = format!("n + {FIRST_KEY}, {parent}");
            let only = format!(
                " WHERE {parent} > {FIRST_KEY} AND NOT EXISTS (SELECT 1 \
                 FROM artifact_edge e WHERE e.child = n + {FIRST_KEY} AND e.parent = {parent})"
            );
            self.fill(("artifact_edge", "child, parent", &values, &only), count)
                .await?;
        }
        self.analyze().await
    }

    /// `count` more executions, artifacts and sessions, each like the newest one but for what filters look at: every
    /// fifth execution is a child, every 250,000th failed, every 100,000th repeats the newest one, half of them have
    /// metadata and no two a time.
    pub(crate) async fn lists(&mut self, count: u64) -> anyhow::Result<()> {
        let (id, of_session) = (self.uuid("018f"), self.uuid("0195"));
        let note = r#"CASE n % 2 WHEN 0 THEN '{"customer": ' || (n % 100000) || '}' ELSE '{}' END"#;
        let tables = [
            (
                "execution",
                "SELECT * FROM execution WHERE status = 2 ORDER BY id DESC LIMIT 1",
                vec![
                    ("id", id.clone()),
                    ("intent_id", id.clone()),
                    ("idempotency_key", "NULL".to_owned()),
                    ("last_tx", "1".to_owned()),
                    ("created_at", "n * 10000".to_owned()),
                    ("finished_at", "n * 10000 + 5000".to_owned()),
                    (
                        "error_code",
                        "CASE n % 250000 WHEN 13 THEN 'OUT_OF_PAPER' END".to_owned(),
                    ),
                    (
                        "rerun_of",
                        "CASE n % 100000 WHEN 7 THEN t.id END".to_owned(),
                    ),
                    ("metadata", note.to_owned()),
                    ("parent_id", "CASE n % 5 WHEN 0 THEN t.id END".to_owned()),
                    (
                        "status",
                        "CASE n % 250000 WHEN 13 THEN 3 ELSE 2 END".to_owned(),
                    ),
                ],
            ),
            (
                "artifact",
                "SELECT * FROM artifact ORDER BY key DESC LIMIT 1",
                vec![
                    ("key", format!("n + {FIRST_KEY}")),
                    ("id", self.uuid("0a47")),
                    ("execution_id", id.clone()),
                    ("intent_id", id),
                    ("created_at", "n * 10000".to_owned()),
                    ("display_name", "'file ' || n || '.csv'".to_owned()),
                ],
            ),
            (
                "session",
                "SELECT * FROM session ORDER BY id DESC LIMIT 1",
                vec![
                    ("id", of_session),
                    ("stream_id", "NULL".to_owned()),
                    ("created_at", "n * 10000".to_owned()),
                    ("metadata", note.to_owned()),
                    ("user_id", "CASE n % 2 WHEN 0 THEN 'ann' END".to_owned()),
                ],
            ),
        ];
        for (table, template, changed) in tables {
            let but: Vec<&str> = changed.iter().map(|(name, _)| *name).collect();
            let (names, values) = self.others(table, &but).await?;
            let (columns, values) =
                changed
                    .into_iter()
                    .fold((names, values), |(names, values), (name, value)| {
                        (format!("{names}, {name}"), format!("{values}, {value}"))
                    });
            let from = format!(", ({template}) t");
            self.fill((table, &columns, &values, &from), count).await?;
        }
        self.analyze().await
    }

    /// What `count` executions leave in the table of numbers: of five types, for each hour of a month and each day of the
    /// year before.
    pub(crate) async fn counts(&mut self, count: u64) -> anyhow::Result<()> {
        const HOUR_MICROS: i64 = 3_600_000_000;
        let now = takeoff::clock::Clock::System.now();
        let (hour, day) = (HOUR_MICROS, 24 * HOUR_MICROS);
        let (last_hour, last_day) = (now / hour * hour, now / day * day);
        let columns =
            "tenant_id, bucket, intent_type, status, is_root, error_code, level, slot, count";
        // Accepted, completed, failed and cancelled, with a parent and without.
        let of_what = "'type ' || (n % 5), CASE n / 5 % 4 WHEN 0 THEN 0 ELSE n / 5 % 4 + 1 END, n / 20 % 2, \
             CASE n / 5 % 4 WHEN 2 THEN 'OUT_OF_PAPER' ELSE '' END";
        let each = (count / (40 * (720 + 370))).max(1);
        for (first, step, level, rows) in [
            (last_hour - hour, hour, 1, 40 * 720),
            (last_day - 31 * day, day, 2, 40 * 370),
        ] {
            let values = format!(
                "'default', {first} - (n - 1) / 40 * {step}, {of_what}, {level}, 0, {each}"
            );
            let table = ("execution_count", columns, values.as_str(), "");
            self.fill(table, rows).await?;
        }
        self.analyze().await
    }

    /// Artifact number `root` with those that it comes from, at most `nodes`; how many.
    pub(crate) async fn ancestors(&mut self, root: u64, nodes: usize) -> anyhow::Result<usize> {
        let key = root + FIRST_KEY;
        let text = format!(
            "WITH RECURSIVE up(key) AS (SELECT CAST({key} AS bigint) UNION \
             SELECT e.parent FROM up JOIN artifact_edge e ON e.child = up.key) \
             SELECT a.key, a.artifact_type, a.display_name \
             FROM (SELECT key FROM up LIMIT {nodes}) f JOIN artifact a ON a.key = f.key"
        );
        Ok(sql(&text).fetch_all(&mut self.db).await?.len())
    }

    async fn analyze(&mut self) -> anyhow::Result<()> {
        let text = match self.backend {
            Backend::Postgres => "VACUUM ANALYZE",
            Backend::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)",
        };
        sql(text).execute(&mut self.db).await?;
        Ok(())
    }
}

/// Keys below it are those of artifacts that the server made.
const FIRST_KEY: u64 = 1_000;

/// The id of the seeded artifact number `n`, as clients name it.
pub(crate) fn artifact_id(n: u64) -> String {
    let id = uuid::Uuid::from_u128((0x0a47_u128 << 112) | u128::from(n));
    takeoff::model::ArtifactId(id).to_string()
}
