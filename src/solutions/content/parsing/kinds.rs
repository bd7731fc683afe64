//! The kinds of value that a column holds.

use std::ops::{BitOr, BitOrAssign};

/// A set of the kinds of value seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds(u32);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(1);
    /// A cell of white space: no value, unless the column is text.
    pub const BLANK: Self = Self(1 << 1);
    pub const BOOLEAN: Self = Self(1 << 2);
    /// An integer that an `f64` holds too.
    pub const INTEGER: Self = Self(1 << 3);
    /// An integer that only an `i64` holds.
    pub const WIDE_INTEGER: Self = Self(1 << 4);
    pub const NUMBER: Self = Self(1 << 5);
    pub const DATE: Self = Self(1 << 6);
    pub const DATETIME: Self = Self(1 << 7);
    pub const STRING: Self = Self(1 << 8);
    pub const OBJECT: Self = Self(1 << 9);
    pub const ARRAY: Self = Self(1 << 10);
    /// `1.234`: a number, unless the file has decimal commas.
    pub const GROUPED_BY_POINT: Self = Self(1 << 11);
    /// A number with a decimal comma, or with several points between thousands.
    pub const DECIMAL_COMMA: Self = Self(1 << 12);
    /// `1,234`: with a decimal comma or a comma between thousands.
    pub const GROUPED_BY_COMMA: Self = Self(1 << 13);
    /// `31.12.2024`.
    pub const POINT_DATE: Self = Self(1 << 14);
    /// A date with slashes that only exists with the day first.
    pub const DAY_FIRST: Self = Self(1 << 15);
    /// A date with slashes that only exists with the month first.
    pub const MONTH_FIRST: Self = Self(1 << 16);
    /// A date with slashes that exists either way.
    pub const SLASH_DATE: Self = Self(1 << 17);

    pub const ALL_INTEGERS: Self = Self(Self::INTEGER.0 | Self::WIDE_INTEGER.0);
    pub const ALL_NUMBERS: Self =
        Self(Self::ALL_INTEGERS.0 | Self::NUMBER.0 | Self::GROUPED_BY_POINT.0);
    pub const ALL_STRINGS: Self = Self(Self::DATE.0 | Self::DATETIME.0 | Self::STRING.0);
    pub const NO_VALUE: Self = Self(Self::NULL.0 | Self::BLANK.0);

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn is_number(self) -> bool {
        self.meets(Self::ALL_NUMBERS)
    }

    pub fn is_string(self) -> bool {
        self.meets(Self::ALL_STRINGS)
    }

    /// Returns whether a value of this kind is a line of letters and digits: a string or a number.
    pub fn is_scalar_text(self) -> bool {
        self.is_number() || self.is_string()
    }

    /// Returns whether there is a value, and every value could be something else than text.
    pub fn is_typed(self) -> bool {
        let values = self.without(Self::NO_VALUE);
        values != Self::NONE && !values.meets(Self::STRING)
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
