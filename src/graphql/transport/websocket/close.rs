//! Why the server closes a socket, and the codes by which it says so: those of
//! `graphql-transport-ws` (4400 and up) where it has one, else those of RFC 6455, section 7.4.

use axum::{
    Error,
    extract::ws::{CloseFrame, close_code},
};
use tokio_tungstenite::tungstenite::Error as Fault;

/// A close frame is a control frame: 125 bytes, two of which are the code.
const MAX_REASON_BYTES: usize = 123;

/// Why the server closes a socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The message breaks the protocol, in these words.
    BadRequest(&'static str),
    /// An operation before the connection was acknowledged, or no proof of who asks.
    Unauthorized,
    /// The payload of `connection_init` is refused, or the proof of who asks has ended.
    Forbidden,
    /// The proof of who asks cannot be checked now.
    Unavailable,
    /// Too many proofs from the address were not good for this one to be looked at.
    TooManyProofs,
    /// The tenant has as many sockets open as it may.
    TooManySockets,
    /// No `connection_init` came in time.
    InitTimeout,
    /// An operation with this id runs already.
    Duplicate(String),
    /// `connection_init` came a second time.
    SecondInit,
    /// Nothing came after a ping. The protocol has no code for it; "going away" is one that clients
    /// answer by connecting again, while they take 1011 for final.
    PongTimeout,
    /// The server stops; clients connect again and resume.
    Stopping,
    /// The message is larger than any may be.
    TooBig,
    /// Too much has arrived of messages that are not whole, on all sockets together.
    NoRoom,
    /// A text message that is not UTF-8.
    NotText,
    /// The frames are faulty.
    BadFrame,
}

impl Close {
    /// The close code for a fault of the connection; none when there is nobody left to tell.
    pub(super) fn of(fault: Error) -> Option<Self> {
        let fault = fault.into_inner().downcast::<Fault>().ok()?;
        match *fault {
            Fault::Capacity(_) => Some(Self::TooBig),
            Fault::Utf8(_) => Some(Self::NotText),
            Fault::Protocol(_) => Some(Self::BadFrame),
            _ => None,
        }
    }

    pub(super) fn code(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::InitTimeout => 4408,
            Self::Duplicate(_) => 4409,
            Self::SecondInit => 4429,
            Self::PongTimeout | Self::Stopping => close_code::AWAY,
            Self::TooBig => close_code::SIZE,
            Self::NoRoom | Self::Unavailable | Self::TooManyProofs | Self::TooManySockets => {
                close_code::AGAIN
            }
            Self::NotText => close_code::INVALID,
            Self::BadFrame => close_code::PROTOCOL,
        }
    }

    fn reason(&self) -> String {
        let fixed = match self {
            Self::Duplicate(id) => return duplicate(id),
            Self::BadRequest(reason) => reason,
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::Unavailable => "the service is not available; try again",
            Self::TooManySockets => "too many sockets are open; try again later",
            Self::TooManyProofs => "too many proofs were not good; try again later",
            Self::InitTimeout => "Connection initialisation timeout",
            Self::SecondInit => "Too many initialisation requests",
            Self::PongTimeout => "pong timeout",
            Self::Stopping => "the server stops; reconnect and resume",
            Self::TooBig => "the message is too large",
            Self::NoRoom => "too many messages are on their way; try again",
            Self::NotText => "the message is not UTF-8",
            Self::BadFrame => "the frames break RFC 6455",
        };
        fixed.to_owned()
    }

    pub(super) fn frame(&self) -> CloseFrame {
        CloseFrame {
            code: self.code(),
            reason: self.reason().into(),
        }
    }
}

/// Names the id if there is room for it.
fn duplicate(id: &str) -> String {
    let reason = format!("Subscriber for {id} already exists");
    if reason.len() <= MAX_REASON_BYTES {
        reason
    } else {
        "Subscriber for this id already exists".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        let long = "🎫".repeat(60);
        for close in [
            Close::Unauthorized,
            Close::Forbidden,
            Close::Unavailable,
            Close::TooManyProofs,
            Close::TooManySockets,
            Close::InitTimeout,
            Close::Duplicate("1".into()),
            Close::Duplicate(long),
            Close::SecondInit,
            Close::PongTimeout,
            Close::Stopping,
            Close::TooBig,
            Close::NoRoom,
            Close::NotText,
            Close::BadFrame,
        ] {
            assert!(close.frame().reason.len() <= MAX_REASON_BYTES, "{close:?}");
        }
    }

    #[test]
    fn a_duplicate_is_named_by_its_id() {
        let reason = Close::Duplicate("sub-1".into()).reason();
        assert_eq!(reason, "Subscriber for sub-1 already exists");
    }
}
