//! Where people log in on the page `/graphiql`, as the configuration says.

use anyhow::{Context, ensure};

use crate::{
    auth,
    config::{AuthMode, Config, GraphiqlClient},
    graphql::PageLogin,
};

/// The issuers that have a client for the page. Without proofs nobody logs in.
pub(super) fn logins(config: &Config) -> anyhow::Result<Vec<PageLogin>> {
    if config.auth.mode == AuthMode::Development {
        return Ok(Vec::new());
    }
    let issuers = config.auth.issuers.list().iter();
    let clients = issuers.filter_map(|issuer| Some((&issuer.url, issuer.graphiql.as_ref()?)));
    clients
        .map(|(url, client)| {
            login(url, client)
                .with_context(|| format!("auth.issuers: the issuer {url}: graphiql is refused"))
        })
        .collect()
}

fn login(url: &str, client: &GraphiqlClient) -> anyhow::Result<PageLogin> {
    // The page asks it even where the server has its keys from a file.
    let parsed = auth::check_issuer_url(url).map_err(anyhow::Error::msg)?;
    ensure!(
        !client.client_id.is_empty(),
        "set client_id to the id by which the issuer knows the page"
    );
    Ok(PageLogin {
        origin: parsed.origin().ascii_serialization(),
        issuer: url.to_owned(),
        client_id: client.client_id.clone(),
        scope: client.scope.clone(),
        audience: client.audience.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn of(mode: &str, issuers: &str) -> anyhow::Result<Vec<PageLogin>> {
        let env = [
            ("TAKEOFF_AUTH_MODE", mode),
            ("TAKEOFF_AUTH_ISSUERS", issuers),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        logins(&Config::load(&Overrides::default(), env.into_iter()).unwrap())
    }

    #[test]
    fn issuers_with_a_client_for_the_page_are_logged_in_at_where_proofs_are_required() {
        let issuers = r#"[
            {"url": "https://one.example:8443/realm/", "audience": ["a"], "graphiql": {"client_id": "page"}},
            {"url": "https://two.example", "audience": ["a"]}]"#;
        let found = of("required", issuers).unwrap();
        let [one] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(one.issuer, "https://one.example:8443/realm/");
        assert_eq!(one.origin, "https://one.example:8443");
        assert_eq!((one.scope.as_str(), &one.audience), ("openid", &None));
        assert_eq!(of("development", issuers).unwrap(), []);
    }

    #[test]
    fn a_client_that_cannot_log_in_is_refused_with_what_to_do() {
        for (url, client, words) in [
            ("http://one.example", "page", "must begin with https://"),
            ("https://one.example", "", "set client_id"),
        ] {
            let issuers = format!(
                r#"[{{"url": "{url}", "audience": ["a"], "jwks_file": "keys.json", "graphiql": {{"client_id": "{client}"}}}}]"#
            );
            let refused = format!("{:#}", of("required", &issuers).unwrap_err());
            assert!(
                refused.contains(words) && refused.contains(url),
                "{refused}"
            );
        }
    }
}
