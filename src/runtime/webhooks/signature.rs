//! Signatures of deliveries, as the Standard Webhooks specification has them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Mac as _;

use crate::model::hmac_by;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

/// A secret that signs. It is shown once, and nobody prints it.
pub(in crate::runtime) struct Secret([u8; 32]);

impl Secret {
    /// A new one.
    #[expect(
        clippy::disallowed_methods,
        reason = "a secret must not be predictable, in tests neither"
    )]
    pub(in crate::runtime) fn random() -> Self {
        Self(rand::random())
    }

    /// Its text, as whoever checks signatures is given it.
    pub(in crate::runtime) fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// The secret with this text; none if it is no text of one.
    pub(in crate::runtime) fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The signature of a delivery.
    fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = hmac_by(&self.0);
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header `webhook-signature`: a signature by each secret, with spaces between them.
pub(in crate::runtime) fn signatures(
    secrets: &[Secret],
    id: &str,
    seconds: i64,
    body: &str,
) -> String {
    let all = secrets.iter().map(|secret| secret.sign(id, seconds, body));
    all.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `hmac` and `base64` of Python's standard library.
    #[test]
    fn a_delivery_is_signed_as_others_do() {
        let secret = Secret::read("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let other = Secret::read("whsec_YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk=").unwrap();
        let signed = signatures(
            &[secret, other],
            "msg_1",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, EXPECTED);
    }

    const EXPECTED: &str = "v1,aTF4+pE6A/FmvKM0YSVBBUfRhLIlBiaBUR+EjGls6Mc= v1,PwBWGUkiFyqF7AEFZ63Xkn6gphZpuBOXrVUCfy+IIDI=";

    #[test]
    fn a_secret_is_read_back_and_nothing_else_is() {
        let secret = Secret::random();
        let text = secret.expose();
        assert_eq!(Secret::read(&text).unwrap().0, secret.0);
        for bad in ["", "whsec_", "whsec_AAAA", &text[6..], &text[..20]] {
            assert!(Secret::read(bad).is_none(), "{bad}");
        }
    }
}
