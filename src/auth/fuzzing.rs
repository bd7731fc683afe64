//! Targets of fuzzing in this module; see [`crate::fuzzing`].

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio::runtime::{Builder, Runtime};

use super::{IssuerSettings, Issuers, Roles, TenantSource, issuers::read_keys};
use crate::{clock::Clock, model::Micros};

const ISSUER: &str = "https://issuer.example";
const NOW: Micros = 1_700_000_000_000_000;
/// Of the tests' issuer; it signs nothing else.
const KEY: &[u8] = include_bytes!("../../tests/it/auth/signing/ed.der");

struct World {
    runtime: Runtime,
    issuers: Issuers,
    roles: Roles,
}

#[expect(
    clippy::expect_used,
    reason = "the settings and the file are in the repository"
)]
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/jwks.json");
        let settings = IssuerSettings {
            url: ISSUER.to_owned(),
            audience: vec!["takeoff".to_owned()],
            jwks_file: Some(file),
            algorithms: ["RS256", "ES256", "EdDSA"].map(str::to_owned).into(),
            tenant: TenantSource::Claim("org".to_owned(), Vec::new()),
            actor_claim: "sub".to_owned(),
            roles_claim: Some("groups".to_owned()),
            roles: BTreeMap::new(),
            default_roles: Vec::new(),
            leeway_seconds: 30,
            login: None,
        };
        let roles = Roles::default();
        let issuers = runtime.block_on(Issuers::start(vec![settings], &roles, &Clock::System));
        World {
            issuers: issuers.expect("an issuer"),
            runtime,
            roles,
        }
    })
}

/// The text of a token, claims in JSON, which are signed then, or a set of keys. What is not signed proves nothing.
pub(crate) fn jwt(data: &[u8]) {
    let World {
        runtime,
        issuers,
        roles,
    } = world();
    read_keys(data);
    let verify = |token: &str| runtime.block_on(issuers.verify(token, roles, NOW));
    if let Ok(text) = str::from_utf8(data) {
        assert!(verify(text).is_err(), "{text}");
    }
    let Ok(claims) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    let header = Header {
        kid: Some("ed".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let Ok(token) = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(KEY)) else {
        return;
    };
    if let Ok(holder) = verify(&token) {
        assert_eq!(claims["iss"], ISSUER, "{claims}");
        assert_eq!(claims["org"], holder.tenant.as_str(), "{claims}");
        assert_eq!(claims["sub"], holder.actor.as_str(), "{claims}");
        assert!(holder.expires_at > NOW, "{claims}");
    }
}
