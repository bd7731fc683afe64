//! When a delivery that was not accepted is tried again.

use chrono::DateTime;
use sha2::{Digest as _, Sha256};

use crate::model::{Micros, WebhookId};

/// The longest pause, also where the receiver wants a longer one.
const LONGEST_MICROS: Micros = 3_600_000_000;

/// The pause after nothing was accepted `failures` times in a row (from 1): `first` doubled each time, up to an hour, and
/// a tenth less or more. What is added comes from the webhook's id, so that webhooks of one receiver come back apart.
pub(in crate::runtime) fn pause(first: Micros, id: WebhookId, failures: i64) -> Micros {
    let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 40)).unwrap_or_default();
    let plain = first.saturating_mul(1 << doublings).min(LONGEST_MICROS);
    let digest = Sha256::new()
        .chain_update(id.0.as_bytes())
        .chain_update(failures.to_be_bytes())
        .finalize();
    let thousandths = i64::from(u16::from_be_bytes([digest[0], digest[1]]) % 201) - 100;
    (plain + plain / 1_000 * thousandths).min(LONGEST_MICROS)
}

/// Since when a webhook counts as failing that has failed again now, and before at `last`. Between the two it counts as tried
/// for as long as the longest pause: the rest is time in which nobody tried, since no node ran or nothing was to be
/// delivered.
pub(in crate::runtime) fn failing_since(
    since: Option<Micros>,
    last: Option<Micros>,
    now: Micros,
) -> Micros {
    let Some((since, last)) = since.zip(last) else {
        return now;
    };
    let untried = now.saturating_sub(last).saturating_sub(LONGEST_MICROS);
    since.saturating_add(untried.max(0)).min(now)
}

/// The pause that a receiver asks for by `Retry-After`: seconds, or a date; an hour at most. None of what is neither.
pub(in crate::runtime) fn asked_for(header: &str, now: Micros) -> Option<Micros> {
    let header = header.trim();
    let micros = match header.parse::<u64>() {
        Ok(seconds) => i64::try_from(seconds).map_or(i64::MAX, |it| it.saturating_mul(1_000_000)),
        Err(_) if header.bytes().all(|byte| byte.is_ascii_digit()) && !header.is_empty() => {
            i64::MAX
        }
        Err(_) => {
            DateTime::parse_from_rfc2822(header)
                .ok()?
                .timestamp_micros()
                - now
        }
    };
    Some(micros.clamp(0, LONGEST_MICROS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let id = WebhookId(Uuid::from_u128(7));
        for (failures, seconds) in [
            (1, 5),
            (2, 10),
            (3, 20),
            (10, 2_560),
            (11, 3_600),
            (i64::MAX, 3_600),
        ] {
            let pause = pause(5 * SECOND, id, failures);
            let plain = seconds * SECOND;
            assert!(
                (plain - plain / 10..=plain + plain / 10).contains(&pause),
                "{failures}: {pause}"
            );
            assert!(pause <= LONGEST_MICROS);
        }
    }

    #[test]
    fn webhooks_that_fail_together_do_not_come_back_together() {
        let pauses = (0..100).map(|n| pause(5 * SECOND, WebhookId(Uuid::from_u128(n)), 1));
        let different: std::collections::HashSet<_> = pauses.collect();
        assert!(different.len() > 50, "{}", different.len());
    }

    proptest! {
        #[test]
        fn a_pause_is_never_negative_nor_longer_than_an_hour(first in 1..=LONGEST_MICROS, bits: u128, failures: i64) {
            let pause = pause(first, WebhookId(Uuid::from_u128(bits)), failures);
            prop_assert!((0..=LONGEST_MICROS).contains(&pause));
        }

        #[test]
        fn whatever_a_receiver_asks_for_is_within_an_hour(header: String, now in 0..i64::MAX / 2) {
            let asked = asked_for(&header, now).unwrap_or_default();
            prop_assert!((0..=LONGEST_MICROS).contains(&asked));
        }
    }

    #[test]
    fn time_in_which_nobody_tried_does_not_count_as_failing() {
        const HOUR: Micros = 3_600 * SECOND;
        for (since, last, now, expected) in [
            (None, None, 5, 5),
            // A failure of before the last success.
            (None, Some(1), 5, 5),
            (Some(1), Some(2), 5, 1),
            (Some(0), Some(70 * HOUR), 71 * HOUR, 0),
            (Some(0), Some(0), 80 * HOUR, 79 * HOUR),
            (Some(0), Some(10 * HOUR), 80 * HOUR, 69 * HOUR),
            (Some(9), Some(9), 5, 5),
        ] {
            assert_eq!(
                failing_since(since, last, now),
                expected,
                "{since:?} {last:?} {now}"
            );
        }
    }

    #[test]
    fn a_receiver_asks_by_seconds_or_by_a_date() {
        let now = DateTime::parse_from_rfc2822("Tue, 01 Dec 2026 12:00:00 GMT").unwrap();
        let now = now.timestamp_micros();
        for (header, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120 * SECOND)),
            ("7200", Some(LONGEST_MICROS)),
            ("99999999999999999999999", Some(LONGEST_MICROS)),
            ("Tue, 01 Dec 2026 12:01:30 GMT", Some(90 * SECOND)),
            ("Tue, 01 Dec 2026 11:00:00 GMT", Some(0)),
            ("Wed, 02 Dec 2026 12:00:00 GMT", Some(LONGEST_MICROS)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(asked_for(header, now), expected, "{header}");
        }
    }
}
