//! Sends a delivery and reads what comes back, of which everything is bounded: time, size, and where it may go.

use std::{io, time::Duration};

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect::Policy,
};
use url::Url;

use super::{
    addresses::{NotPublic, PublicResolver, check_literal},
    backoff,
};
use crate::{clock::Clock, model::Micros};

/// The time within which an attempt is answered.
const TIMEOUT: Duration = Duration::from_secs(10);
/// So much of an answer is read.
const MOST_ANSWER_BYTES: usize = 16 * 1024;
/// So much of an answer is kept where it accepts nothing.
const MOST_KEPT_CHARS: usize = 300;

/// A delivery, signed.
#[derive(Debug)]
pub(in crate::runtime) struct Parcel {
    /// Where it goes.
    pub(in crate::runtime) url: Url,
    /// The same for every attempt.
    pub(in crate::runtime) id: String,
    /// When it is sent, in seconds since 1970.
    pub(in crate::runtime) seconds: i64,
    /// The signatures.
    pub(in crate::runtime) signatures: String,
    /// The event as JSON.
    pub(in crate::runtime) body: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum Attempted {
    /// The receiver has it.
    Accepted,
    /// The receiver wants nothing more.
    Gone,
    /// It is to be tried again.
    Failed {
        /// Why, in few words.
        why: String,
        /// The pause that the receiver asks for.
        pause: Option<Micros>,
    },
}

/// Sends deliveries. Clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Courier {
    http: reqwest::Client,
    allows_private: bool,
    clock: Clock,
}

impl Courier {
    /// One that sends to public addresses alone, unless all are allowed.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(crate) fn new(allows_private: bool, clock: Clock) -> Result<Self, reqwest::Error> {
        let mut http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // Where events go is said by whoever made the webhook alone.
            .redirect(Policy::none())
            // A proxy would look names up by itself.
            .no_proxy()
            .referer(false)
            .user_agent(concat!("Takeoff/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(4)
            .pool_idle_timeout(Duration::from_secs(30));
        if !allows_private {
            http = http.https_only(true).dns_resolver(PublicResolver);
        }
        Ok(Self {
            http: http.build()?,
            allows_private,
            clock,
        })
    }

    /// Whether it sends to addresses that are not public.
    pub(in crate::runtime) fn allows_private(&self) -> bool {
        self.allows_private
    }

    /// Tries to deliver.
    pub(in crate::runtime) async fn send(&self, parcel: Parcel) -> Attempted {
        let failed = |why: String| Attempted::Failed { why, pause: None };
        if let Err(error) = check_literal(&parcel.url, self.allows_private) {
            return failed(error.to_string());
        }
        let sent = self
            .http
            .post(parcel.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", parcel.id)
            .header("webhook-timestamp", parcel.seconds)
            .header("webhook-signature", parcel.signatures)
            .body(parcel.body)
            .send();
        match sent.await {
            Ok(answer) => self.judge(answer).await,
            Err(error) => failed(reason_of(error)),
        }
    }

    async fn judge(&self, answer: Response) -> Attempted {
        let status = answer.status();
        if status == StatusCode::GONE {
            return Attempted::Gone;
        }
        let pause = answer.headers().get(RETRY_AFTER);
        let pause = pause.and_then(|header| header.to_str().ok());
        let pause = pause.and_then(|text| backoff::asked_for(text, self.clock.now()));
        if status.is_success() {
            return Attempted::Accepted;
        }
        let body = read_some(answer).await;
        let text = cleaned(&String::from_utf8_lossy(&body));
        let why = if text.is_empty() {
            status.as_str().to_owned()
        } else {
            format!("{}: {text}", status.as_str())
        };
        Attempted::Failed { why, pause }
    }
}

/// The beginning of an answer. One that is longer is not read to its end: its connection is closed.
async fn read_some(mut answer: Response) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        let room = MOST_ANSWER_BYTES - all.len();
        all.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        if all.len() == MOST_ANSWER_BYTES {
            break;
        }
    }
    all
}

/// A text in one line without control characters, and not long.
fn cleaned(text: &str) -> String {
    let printed = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(printed).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MOST_KEPT_CHARS).collect()
}

/// Why nothing was answered.
fn reason_of(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let error = error.without_url();
    let mut innermost: &(dyn std::error::Error + 'static) = &error;
    loop {
        if let Some(refused) = innermost.downcast_ref::<NotPublic>() {
            return refused.to_string();
        }
        if let Some(io) = innermost.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return "the connection was refused".to_owned();
        }
        let Some(source) = innermost.source() else {
            break;
        };
        innermost = source;
    }
    cleaned(&format!("no answer: {innermost}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_answer_is_short_and_in_one_line() {
        assert_eq!(cleaned(" a\r\n\u{1b}[31mb\0 "), "a [31mb");
        assert_eq!(cleaned(&"ü".repeat(1_000)).chars().count(), MOST_KEPT_CHARS);
    }

    #[tokio::test]
    async fn nothing_is_sent_to_this_machine_unless_that_is_allowed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        let courier = Courier::new(false, Clock::System).unwrap();
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let parcel = Parcel {
                url: format!("https://{host}:{port}/").parse().unwrap(),
                id: "a".to_owned(),
                seconds: 1,
                signatures: "v1,a".to_owned(),
                body: "{}".to_owned(),
            };
            let attempted = courier.send(parcel).await;
            let why = "its address is not public".to_owned();
            assert_eq!(attempted, Attempted::Failed { why, pause: None }, "{host}");
        }
        // Connections are accepted in the order in which they were made: the first one is this test's own.
        let own = tokio::net::TcpStream::connect(address).await.unwrap();
        let (_, first) = listener.accept().await.unwrap();
        assert_eq!(first, own.local_addr().unwrap(), "somebody has connected");
    }
}
