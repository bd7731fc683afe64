//! When a schedule is due: a cron expression in a time zone, or an interval; and the delay that spreads schedules
//! of the same time. Pure: the same schedule has the same times on each node.
//!
//! Cron goes by the rules of Vixie cron where the clocks of a zone change. An expression that names its hours and
//! minutes is due once a day: at the first moment after the gap where its time is left out, and at the first of the
//! two where its time comes twice. One with `*` or steps in its hours or minutes goes by the time that passes.

use chrono::DateTime;
use chrono_tz::Tz;
use croner::{Cron, parser::CronParser, parser::Seconds, parser::Year};
use sha2::{Digest, Sha256};

use crate::model::{Fault, Micros, ScheduleId, ScheduleTimes, time_of};

/// The longest cron expression, in characters.
const MAX_CRON_CHARS: usize = 200;
/// The shortest and the longest interval, in seconds.
const INTERVAL_SECONDS: (i64, i64) = (1, 366 * 86_400);
/// An expression that is not due within so long is faulty: `0 0 30 2 *` never is.
const MAX_AHEAD: i64 = 9 * 366 * 86_400 * SECOND;
const SECOND: i64 = 1_000_000;

/// The times of a schedule, without their delay.
#[derive(Debug)]
pub(in crate::runtime) enum Timetable {
    Cron(Box<Cron>, Tz),
    /// Each so many microseconds from a time on.
    Every {
        micros: i64,
        from: Micros,
    },
}

impl Timetable {
    /// The times of a schedule that was made at `made_at`.
    pub(in crate::runtime) fn of(times: &ScheduleTimes, made_at: Micros) -> Result<Self, Fault> {
        match times {
            ScheduleTimes::Cron { cron, zone } => Self::cron(cron, zone),
            ScheduleTimes::Every { seconds } => {
                let (least, most) = INTERVAL_SECONDS;
                if !(least..=most).contains(seconds) {
                    let message = format!("an interval has {least} to {most} seconds");
                    return Err(Fault::at(["everySeconds"], message));
                }
                Ok(Self::Every {
                    micros: seconds * SECOND,
                    from: made_at - made_at.rem_euclid(SECOND),
                })
            }
        }
    }

    fn cron(cron: &str, zone: &str) -> Result<Self, Fault> {
        let zone: Tz = zone.parse().map_err(|_| {
            let message = "a zone is a name of the IANA database, such as Europe/Berlin or UTC";
            Fault::at(["timeZone"], message)
        })?;
        if cron.chars().nth(MAX_CRON_CHARS).is_some() {
            let message = format!("a cron expression has at most {MAX_CRON_CHARS} characters");
            return Err(Fault::at(["cron"], message));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(cron).map_err(|error| {
            let message = format!(
                "a cron expression has five fields (minute, hour, day of month, month, day of week), or is @hourly, \
                 @daily, @weekly, @monthly or @yearly: {error}"
            );
            Fault::at(["cron"], message)
        })?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// The first time after `after`; none where there is none within nine years.
    pub(in crate::runtime) fn next(&self, after: Micros) -> Option<Micros> {
        match self {
            Self::Cron(cron, zone) => {
                let found = cron.find_next_occurrence(&at(after, *zone), false).ok()?;
                let found = found.timestamp_micros();
                (found > after && found - after <= MAX_AHEAD).then_some(found)
            }
            Self::Every { micros, from } => {
                let passed = after.saturating_sub(*from).div_euclid(*micros);
                from.checked_add(passed.checked_add(1)?.checked_mul(*micros)?)
            }
        }
    }

    /// The last time that is not after `until`.
    pub(in crate::runtime) fn last(&self, until: Micros) -> Option<Micros> {
        match self {
            Self::Cron(cron, zone) => {
                // Searched for by the next one, which the search must find again: the two agree where clocks change.
                let from = at(until.checked_add(SECOND)?, *zone);
                let found = cron.find_previous_occurrence(&from, false).ok()?;
                let mut last = found.timestamp_micros();
                while let Some(next) = self.next(last).filter(|next| *next <= until) {
                    last = next;
                }
                (last <= until).then_some(last)
            }
            Self::Every { micros, from } => {
                let passed = until.checked_sub(*from)?.div_euclid(*micros);
                from.checked_add(passed.checked_mul(*micros)?)
            }
        }
    }
}

fn at(micros: Micros, zone: Tz) -> DateTime<Tz> {
    // Cron knows whole seconds.
    time_of(micros - micros.rem_euclid(SECOND)).with_timezone(&zone)
}

/// The delay of one time of a schedule: the same on each node, spread over `jitter_micros`.
pub(in crate::runtime) fn delay(id: ScheduleId, instant: Micros, jitter_micros: i64) -> i64 {
    if jitter_micros <= 0 {
        return 0;
    }
    let mut hash = Sha256::new();
    hash.update(id.0.as_bytes());
    hash.update(instant.to_be_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    let spread = u64::from_be_bytes(first) % (jitter_micros.unsigned_abs() + 1);
    i64::try_from(spread).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn cron(cron: &str, zone: &str) -> Timetable {
        let (cron, zone) = (cron.to_owned(), zone.to_owned());
        Timetable::of(&ScheduleTimes::Cron { cron, zone }, 0).unwrap()
    }

    fn micros(text: &str) -> Micros {
        let time = DateTime::parse_from_rfc3339(text).unwrap();
        time.timestamp_micros()
    }

    /// The next times after a moment, as a clock in Berlin shows them.
    fn in_berlin(expression: &str, after: &str, count: usize) -> Vec<String> {
        let table = cron(expression, "Europe/Berlin");
        let first = table.next(micros(after));
        let times = std::iter::successors(first, |at| table.next(*at)).take(count);
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        times
            .map(|at| time_of(at).with_timezone(&zone).format("%d %H:%M %Z"))
            .map(|text| text.to_string())
            .collect()
    }

    #[test]
    fn a_time_that_the_change_to_summer_leaves_out_comes_right_after_the_gap() {
        // On 29 March 2026, 02:00 to 03:00 is left out.
        let times = in_berlin("30 2 * * *", "2026-03-27T12:00:00Z", 3);
        assert_eq!(times, ["28 02:30 CET", "29 03:00 CEST", "30 02:30 CEST"]);
        let times = in_berlin("0,30 2,3 * * *", "2026-03-29T00:00:00Z", 3);
        assert_eq!(times, ["29 03:00 CEST", "29 03:30 CEST", "30 02:00 CEST"]);
    }

    #[test]
    fn a_time_that_the_change_to_winter_repeats_comes_once() {
        // On 25 October 2026, 02:00 to 03:00 comes twice.
        let times = in_berlin("30 2 * * *", "2026-10-24T12:00:00Z", 2);
        assert_eq!(times, ["25 02:30 CEST", "26 02:30 CET"]);
        let after_the_first = in_berlin("30 2 * * *", "2026-10-25T00:45:00Z", 1);
        assert_eq!(after_the_first, ["26 02:30 CET"]);
    }

    #[test]
    fn steps_and_stars_go_by_the_time_that_passes() {
        let times = in_berlin("*/30 * * * *", "2026-03-29T00:15:00Z", 3);
        assert_eq!(times, ["29 01:30 CET", "29 03:00 CEST", "29 03:30 CEST"]);
        let times = in_berlin("*/30 * * * *", "2026-10-25T00:00:00Z", 4);
        let expected = [
            "25 02:30 CEST",
            "25 02:00 CET",
            "25 02:30 CET",
            "25 03:00 CET",
        ];
        assert_eq!(times, expected);
        let times = in_berlin("@hourly", "2026-10-24T23:30:00Z", 3);
        assert_eq!(times, ["25 02:00 CEST", "25 02:00 CET", "25 03:00 CET"]);
    }

    #[test]
    fn days_of_the_month_and_of_the_week_are_either_or() {
        let table = cron("0 12 13 * FRI", "UTC");
        let first = table.next(micros("2026-01-05T00:00:00Z")).unwrap();
        assert_eq!(first, micros("2026-01-09T12:00:00Z"), "a Friday");
        let second = table.next(first).unwrap();
        assert_eq!(second, micros("2026-01-13T12:00:00Z"), "the thirteenth");
    }

    #[test]
    fn what_is_no_expression_or_never_due_is_refused() {
        let long = "1,".repeat(200);
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "@reboot",
            "a b c d e",
            &long,
        ] {
            let times = ScheduleTimes::Cron {
                cron: bad.to_owned(),
                zone: "UTC".to_owned(),
            };
            assert_eq!(
                Timetable::of(&times, 0).unwrap_err().path,
                ["cron"],
                "{bad}"
            );
        }
        for zone in ["", "Berlin", "Europe/Atlantis", "+01:00"] {
            let times = ScheduleTimes::Cron {
                cron: "@daily".to_owned(),
                zone: zone.to_owned(),
            };
            assert_eq!(
                Timetable::of(&times, 0).unwrap_err().path,
                ["timeZone"],
                "{zone}"
            );
        }
        for seconds in [i64::MIN, 0, i64::MAX] {
            let times = ScheduleTimes::Every { seconds };
            assert_eq!(Timetable::of(&times, 0).unwrap_err().path, ["everySeconds"]);
        }
        let began = std::time::Instant::now();
        for never in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *"] {
            assert_eq!(
                cron(never, "Europe/Berlin").next(micros("2026-01-01T00:00:00Z")),
                None
            );
        }
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        let leap = cron("0 0 29 2 *", "UTC").next(micros("2096-03-01T00:00:00Z"));
        assert_eq!(leap, Some(micros("2104-02-29T00:00:00Z")));
    }

    #[test]
    fn an_interval_is_counted_from_when_the_schedule_was_made() {
        let table = Timetable::of(&ScheduleTimes::Every { seconds: 90 }, 10_500_000).unwrap();
        assert_eq!(table.next(10_500_000), Some(100_000_000));
        assert_eq!(table.next(100_000_000), Some(190_000_000));
        assert_eq!(table.last(189_999_999), Some(100_000_000));
        assert_eq!(table.last(190_000_000), Some(190_000_000));
    }

    #[test]
    fn the_delay_of_a_time_is_the_same_everywhere_and_within_its_bound() {
        let id = ScheduleId(Uuid::from_u128(7));
        let delays: Vec<i64> = (0..200).map(|at| delay(id, at, 1_000)).collect();
        assert_eq!(delays[0], delay(id, 0, 1_000));
        assert!(delays.iter().all(|delay| (0..=1_000).contains(delay)));
        assert!(delays.iter().any(|delay| *delay < 200));
        assert!(delays.iter().any(|delay| *delay > 800));
        assert_eq!(delay(id, 3, 0), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Around both changes of the clocks: the last time is the one after which the next comes later.
        #[test]
        fn the_last_time_and_the_next_are_neighbours(
            at in 0..(8 * 3_600_i64),
            is_spring in any::<bool>(),
            expression in prop::sample::select(vec![
                "30 2 * * *", "*/7 * * * *", "@hourly", "15 1-3 * * *", "*/20 2 * * *", "0 3 * * SUN", "59 1 * * *",
            ]),
        ) {
            let day = if is_spring { "2026-03-28T22:00:00Z" } else { "2026-10-24T21:00:00Z" };
            let now = micros(day) + at * SECOND;
            let table = cron(expression, "Europe/Berlin");
            let last = table.last(now).unwrap();
            prop_assert!(last <= now);
            let next = table.next(last).unwrap();
            prop_assert!(next > now, "{expression}: {} {} {}", time_of(last), time_of(now), time_of(next));
            prop_assert_eq!(table.next(now), Some(next));
            prop_assert_eq!(table.last(next), Some(next));
        }
    }
}
