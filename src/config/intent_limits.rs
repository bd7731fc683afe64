//! Limits of intent types, by the names that handlers give them.

use std::{collections::BTreeMap, time::Duration};

use super::{
    retention::KeptFor,
    setting::{Setting, listed},
};

/// What is set for one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSetting {
    /// There is none.
    Off,
    /// So many at once.
    Concurrency(u32),
    /// So many within a time.
    Rate(u32, Duration),
}

/// The highest number of a limit.
const MOST: u32 = 10_000;
/// The longest time of a rate, in seconds.
const MOST_SECONDS: u64 = 24 * 60 * 60;

/// Intent types with limits that are set for them, each by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntentLimits(BTreeMap<String, BTreeMap<String, LimitSetting>>);

impl IntentLimits {
    /// Each intent type with its limits.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<String, BTreeMap<String, LimitSetting>> {
        &self.0
    }
}

impl Setting for IntentLimits {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        let mut types = BTreeMap::new();
        for part in listed(text) {
            let (name, limits) = intent_type(part)?;
            if types.insert(name.clone(), limits).is_some() {
                return Err(format!("the intent type {name} is there twice"));
            }
        }
        Ok(Self(types))
    }

    fn text(&self) -> Option<String> {
        let types = self.0.iter().map(|(name, limits)| {
            let limits: Vec<_> = limits.iter().map(shown).collect();
            format!("{name} = {}", limits.join(" "))
        });
        let types: Vec<_> = types.collect();
        Some(types.join(", ")).filter(|text| !text.is_empty())
    }
}

fn shown((name, limit): (&String, &LimitSetting)) -> String {
    match limit {
        LimitSetting::Off => format!("{name}:off"),
        LimitSetting::Concurrency(most) => format!("{name}:{most}"),
        LimitSetting::Rate(most, per) => format!("{name}:{most}/{}s", per.as_secs()),
    }
}

fn intent_type(text: &str) -> Result<(String, BTreeMap<String, LimitSetting>), String> {
    let expected = || {
        format!(
            "expected intent types with their limits such as resize = tenant:3 customer-rate:100/1m all:off, each \
             from 1 to {MOST} and a rate within a day at most, found `{text}`"
        )
    };
    let (name, limits) = text.split_once('=').ok_or_else(expected)?;
    let one = |pair: &str| {
        let (limit, value) = pair.split_once(':')?;
        (!limit.is_empty()).then_some(())?;
        Some((limit.to_owned(), setting(value)?))
    };
    let mut all = BTreeMap::new();
    for pair in limits.split_whitespace() {
        let (limit, value) = one(pair).ok_or_else(expected)?;
        if all.insert(limit, value).is_some() {
            return Err(expected());
        }
    }
    let name = name.trim();
    if name.is_empty() || all.is_empty() {
        return Err(expected());
    }
    Ok((name.to_owned(), all))
}

fn setting(text: &str) -> Option<LimitSetting> {
    if text == "off" {
        return Some(LimitSetting::Off);
    }
    let number = |text: &str| {
        let most = text.parse::<u32>().ok()?;
        (1..=MOST).contains(&most).then_some(most)
    };
    let Some((most, per)) = text.split_once('/') else {
        return Some(LimitSetting::Concurrency(number(text)?));
    };
    let seconds = KeptFor::parse(per).ok()?.seconds()?;
    let per = (1..=MOST_SECONDS).contains(&seconds).then_some(seconds)?;
    Some(LimitSetting::Rate(number(most)?, Duration::from_secs(per)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_intent_type_has_limits_by_their_names() {
        let text = "import = tenant-rate:100/60s, resize = all:off customer:5";
        let read = IntentLimits::parse(text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        let minute = Duration::from_mins(1);
        assert_eq!(
            IntentLimits::parse("a = b:100/1m").unwrap().all()["a"]["b"],
            LimitSetting::Rate(100, minute)
        );
        for bad in [
            "resize",
            "resize =",
            "= all:1",
            "resize = all",
            "resize = all:0",
            "resize = all:10001",
            "resize = all:-1",
            "resize = :1",
            "resize = all:1/0s",
            "resize = all:1/2d",
            "resize = all:1/forever",
            "resize = all:1 all:2",
        ] {
            let refused = IntentLimits::parse(bad).unwrap_err();
            assert!(refused.contains(bad), "{refused}");
        }
        assert!(IntentLimits::parse("a = b:1, a = c:1").is_err());
    }
}
