//! How long things are kept that have ended, and for whom otherwise.

use std::collections::BTreeMap;

use super::setting::{Setting, listed};

/// How long something is kept: a time, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptFor(Option<u64>);

/// The longest time that can be said in days, a hundred years.
const MOST_DAYS: u64 = 36_500;
const FOREVER: &str = "forever";
/// The units of times, the longest first, with their seconds.
const UNITS: [(&str, u64); 4] = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60), ("s", 1)];

impl KeptFor {
    /// For ever.
    pub const FOREVER: Self = Self(None);

    /// So many days.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self(Some(days * UNITS[0].1))
    }

    /// So many seconds; none if it is for ever.
    #[must_use]
    pub fn seconds(self) -> Option<u64> {
        self.0
    }
}

impl Setting for KeptFor {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        if text == FOREVER {
            return Ok(Self(None));
        }
        let read = || {
            let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
            let digits = &text[..text.len() - unit.len()];
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = is_number.then(|| digits.parse::<u64>().ok())??;
            let seconds = seconds.checked_mul(*factor)?;
            (seconds <= MOST_DAYS * UNITS[0].1).then_some(seconds)
        };
        let seconds = read().ok_or_else(|| {
            format!(
                "expected a time such as 90d, 12h, 30m or 10s, of {MOST_DAYS} days at most, or {FOREVER}, \
                 found `{text}`"
            )
        })?;
        Ok(Self(Some(seconds)))
    }

    fn text(&self) -> Option<String> {
        let Some(seconds) = self.0 else {
            return Some(FOREVER.to_owned());
        };
        let whole = UNITS
            .iter()
            .find(|(_, unit)| seconds % unit == 0 && seconds >= *unit);
        let (unit, factor) = whole.unwrap_or(&UNITS[3]);
        Some(format!("{}{unit}", seconds / factor))
    }
}

/// Times of their own for some, each by the name of the key that it stands in for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptOtherwise(BTreeMap<String, BTreeMap<String, KeptFor>>);

/// The keys that a tenant or a type may have values of its own for.
const KEYS: [&str; 3] = ["completed", "failed", "cancelled"];

impl KeptOtherwise {
    /// Each name with its times.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<String, BTreeMap<String, KeptFor>> {
        &self.0
    }
}

impl Setting for KeptOtherwise {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for part in listed(text) {
            let (name, times) = one(part)?;
            if all.insert(name.clone(), times).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(Self(all))
    }

    fn text(&self) -> Option<String> {
        let shown = |(name, kept): (&String, &KeptFor)| {
            format!("{name}:{}", kept.text().unwrap_or_default())
        };
        let all = self.0.iter().map(|(name, times)| {
            let times: Vec<_> = times.iter().map(shown).collect();
            format!("{name} = {}", times.join(" "))
        });
        let all: Vec<_> = all.collect();
        Some(all.join(", ")).filter(|text| !text.is_empty())
    }
}

fn one(text: &str) -> Result<(String, BTreeMap<String, KeptFor>), String> {
    let expected = || {
        format!(
            "expected names with their times such as acme = completed:30d failed:forever, each one of {}, \
             found `{text}`",
            KEYS.join(", ")
        )
    };
    let (name, times) = text.split_once('=').ok_or_else(expected)?;
    let time = |pair: &str| {
        let (key, time) = pair.split_once(':')?;
        let kept = KeptFor::parse(time).ok()?;
        KEYS.contains(&key).then(|| (key.to_owned(), kept))
    };
    let times: Option<BTreeMap<_, _>> = times.split_whitespace().map(time).collect();
    let times = times.filter(|times| !times.is_empty());
    let name = name.trim();
    if name.is_empty() {
        return Err(expected());
    }
    Ok((name.to_owned(), times.ok_or_else(expected)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_for_ever() {
        for (text, seconds) in [
            ("90d", Some(90 * 86_400)),
            ("36h", Some(36 * 3_600)),
            ("10m", Some(600)),
            ("90s", Some(90)),
            ("0s", Some(0)),
            ("forever", None),
        ] {
            let read = KeptFor::parse(text).unwrap();
            assert_eq!(read.seconds(), seconds, "{text}");
            assert_eq!(read.text().unwrap(), text);
        }
        for bad in [
            "",
            "d",
            "90",
            "-1d",
            "1.5h",
            "36501d",
            "99999999999999999999d",
            "never",
            "+1d",
        ] {
            assert!(KeptFor::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn some_have_times_of_their_own() {
        let text = "acme = completed:30d failed:forever, globex = cancelled:10m";
        let read = KeptOtherwise::parse(text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        assert_eq!(read.all()["acme"]["failed"].seconds(), None);
        for bad in [
            "acme",
            "acme =",
            "acme = completed",
            "acme = done:1d",
            "= failed:1d",
            "a = failed:1",
        ] {
            assert!(
                KeptOtherwise::parse(bad).unwrap_err().contains(bad.trim()),
                "{bad}"
            );
        }
        assert!(KeptOtherwise::parse("a = failed:1d, a = failed:2d").is_err());
    }
}
