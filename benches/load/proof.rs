//! What a proof costs: a server that requires one beside one that trusts its callers, in turns.

use std::{process::Command, time::Duration};

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::json;

use crate::{
    load::{ACCEPTED, closed_loop_as, count, request, submit},
    report::Beside,
    rows::{ONE_SLOT, Run, TURNS, block},
    server::{PROGRAM, Place, Server, cpu_micros},
};

const ISSUER: &str = "https://issuer.example";
/// Of the tests' issuer; it signs nothing else.
const KEY: &[u8] = include_bytes!("../../tests/it/auth/signing/ed.der");

/// The most that a request with a proof takes of the processor beyond one without.
const GOAL_MICROS: f64 = 3.0;
/// The least of the submits without proofs that there are with them.
const GOAL_PERCENT: f64 = 95.0;

impl Run<'_> {
    pub(crate) async fn proof(&mut self) -> anyhow::Result<()> {
        let guarded_place = Place::new(self.place.backend).await?;
        let guarded = Guarded::start(&guarded_place).await?;
        let trusting = Server::start(&self.place, ONE_SLOT).await?;
        let session = trusting.session().await?;
        block(&trusting, &session, "").await?;
        self.time_of_a_request(&trusting, &guarded).await?;
        self.submits(&trusting, &session, &guarded).await?;
        guarded.server.stop().await?;
        guarded_place.remove().await
    }

    /// Processor time of the smallest request, with no proof, with a key, and with a token of an issuer.
    async fn time_of_a_request(
        &mut self,
        trusting: &Server,
        guarded: &Guarded,
    ) -> anyhow::Result<()> {
        let body = request("{ __typename }", &json!({}));
        let sides = [
            (trusting, ""),
            (&guarded.server, &*guarded.key),
            (&guarded.server, &*guarded.token),
        ];
        let (mut micros, mut requests) = ([0.0; 3], [0; 3]);
        for turn in 0..=TURNS {
            for (side, (server, proof)) in sides.into_iter().enumerate() {
                let request = ("/graphql", body.as_str(), "Query");
                let before = cpu_micros(server.pid())?;
                let done =
                    closed_loop_as(proof, server.address, request, 16, self.scale.time / 2).await?;
                if turn > 0 {
                    micros[side] += cpu_micros(server.pid())? - before;
                    requests[side] += done.requests;
                }
            }
        }
        let [none, key, token] = [0, 1, 2].map(|side| micros[side] / count(requests[side]));
        for (more, name) in [(key - none, "key"), (token - none, "token of an issuer")] {
            let row = format!("processor time of a {name}, beyond a request without a proof");
            self.report.add(&row, "us", more, Beside::goal(GOAL_MICROS));
        }
        Ok(())
    }

    /// Accepted intents where a proof is required, of as many where none is.
    async fn submits(
        &mut self,
        trusting: &Server,
        session: &str,
        guarded: &Guarded,
    ) -> anyhow::Result<()> {
        let sides = [
            (trusting, "", submit(session)),
            (&guarded.server, &*guarded.key, submit(&guarded.session)),
        ];
        let (mut requests, mut took) = ([0; 2], [Duration::ZERO; 2]);
        for turn in 0..=TURNS {
            for (side, (server, proof, body)) in sides.iter().enumerate() {
                let request = ("/graphql", body.as_str(), ACCEPTED);
                let done =
                    closed_loop_as(proof, server.address, request, 16, self.scale.time / 2).await?;
                if turn > 0 {
                    requests[side] += done.requests;
                    took[side] += done.took;
                }
            }
            self.settle().await;
        }
        let [without, with] = [0, 1].map(|side| count(requests[side]) / took[side].as_secs_f64());
        let row = "durable submits with a key, of those without a proof, 16 callers";
        let beside = Beside::goal(GOAL_PERCENT);
        self.report.add(row, "%", 100.0 * with / without, beside);
        Ok(())
    }
}

/// A server that requires proofs, and two of them, as lines of a request's head.
struct Guarded {
    server: Server,
    key: String,
    token: String,
    session: String,
}

impl Guarded {
    async fn start(place: &Place) -> anyhow::Result<Self> {
        let key = EncodingKey::from_ed_der(KEY);
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        jwk.common.key_id = Some("ed".to_owned());
        let file = place.folder.path().join("jwks.json");
        std::fs::write(&file, json!({"keys": [jwk]}).to_string())?;
        let issuer = json!([{"url": ISSUER, "audience": ["takeoff"], "jwks_file": file, "tenant": "default",
            "default_roles": ["developer"]}]);
        let issuers = issuer.to_string();
        let required = [
            ("TAKEOFF_AUTH_MODE", "required"),
            ("TAKEOFF_AUTH_ISSUERS", issuers.as_str()),
        ];
        let header = Header {
            kid: Some("ed".to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let claims =
            json!({"iss": ISSUER, "aud": "takeoff", "sub": "ann", "exp": 4_000_000_000_u64});
        let token = encode(&header, &claims, &key)?;
        let key = admin_key(place)?;
        let server = Server::start(place, &[ONE_SLOT, &required].concat()).await?;
        let [key, token] = [key, token].map(|proof| format!("authorization: Bearer {proof}\r\n"));
        let session = server.session_by(&key).await?;
        block(&server, &session, &key).await?;
        Ok(Self {
            server,
            key,
            token,
            session,
        })
    }
}

/// The first key, made beside the database.
fn admin_key(place: &Place) -> anyhow::Result<String> {
    let made = Command::new(PROGRAM)
        .args(["keys", "create", "--admin"])
        .env("TAKEOFF_DATA_DIR", place.folder.path())
        .env("TAKEOFF_DATABASE_URL", &place.url)
        .output()?;
    anyhow::ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let text = String::from_utf8(made.stdout)?;
    let key = text.split_whitespace().find(|word| word.starts_with("tk_"));
    Ok(key.context("no key was shown")?.to_owned())
}
