//! Descriptions of keys besides their values, and the names that follow from their paths.

/// A key that can be set.
#[derive(Debug)]
pub(super) struct Key {
    /// Its table; empty at the top level.
    pub(super) section: &'static str,
    /// Its name within the table.
    pub(super) name: &'static str,
    /// Its meaning, a line each.
    pub(super) docs: &'static [&'static str],
    /// The least and the largest number.
    pub(super) range: Option<(u64, u64)>,
    /// The schemes of a URL.
    pub(super) schemes: &'static [&'static str],
    /// An example of a value, where nothing is set by default.
    pub(super) example: &'static str,
    variable: Option<&'static str>,
}

/// A table of keys.
#[derive(Debug)]
pub(super) struct Section {
    /// Its path; empty at the top level.
    pub(super) path: &'static str,
    /// Its subject, a line each.
    pub(super) docs: &'static [&'static str],
    /// Its keys, in the order of the documented file.
    pub(super) keys: &'static [Key],
}

impl Key {
    pub(super) const fn new(
        section: &'static str,
        name: &'static str,
        docs: &'static [&'static str],
    ) -> Self {
        Self {
            section,
            name,
            docs,
            range: None,
            schemes: &[],
            example: "",
            variable: None,
        }
    }

    pub(super) const fn within(mut self, least: u64, most: u64) -> Self {
        self.range = Some((least, most));
        self
    }

    pub(super) const fn schemes(mut self, schemes: &'static [&'static str]) -> Self {
        self.schemes = schemes;
        self
    }

    pub(super) const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    pub(super) const fn variable_is(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }

    /// `section.name`.
    pub(super) fn path(&self) -> String {
        if self.section.is_empty() {
            return self.name.to_owned();
        }
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variable: `TAKEOFF_` and the path in capitals, unless it has one of its own.
    pub(super) fn variable(&self) -> String {
        self.variable.map_or_else(
            || format!("TAKEOFF_{}", self.path().replace('.', "_").to_uppercase()),
            str::to_owned,
        )
    }

    /// Returns the objection of the range or the schemes to a value that has the right type.
    pub(super) fn refuses(&self, text: &str) -> Option<String> {
        if let Some((least, most)) = self.range
            && !text
                .parse()
                .is_ok_and(|number: u64| (least..=most).contains(&number))
        {
            return Some(format!("must be from {least} to {most}, found `{text}`"));
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if !self.schemes.is_empty() && !self.schemes.contains(&scheme) {
            let known = self.schemes.join(", ");
            return Some(format!("must be a URL with one of the schemes {known}"));
        }
        None
    }
}
