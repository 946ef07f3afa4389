//! Percentages, exactly.

use std::fmt;

use serde::{Serialize, Serializer};

/// A share above 0 % and up to 100 %, exact to six decimals of a percent.
///
/// ```
/// # let file = include_str!("../../../docs/campaigns/uroad-2020.toml");
/// let campaign = jangteo::Campaign::parse(file)?;
/// let rate = campaign.ledger[0].rate;
/// assert_eq!(rate.to_string(), "50%");
/// assert_eq!(rate.of(4_999), 2_499);
/// # Ok::<(), jangteo::InvalidCampaign>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u32);

impl Rate {
    /// What [`Rate::numerator`] is a part of: 100 % to six decimals.
    pub const DENOMINATOR: u32 = 100 * Self::PERCENT;
    /// All of it.
    pub const WHOLE: Self = Self(Self::DENOMINATOR);

    const DECIMALS: usize = 6;
    const PERCENT: u32 = 1_000_000;

    /// The rate as parts of [`Rate::DENOMINATOR`]; never 0.
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.0
    }

    /// The rate of an amount, rounded down once.
    #[must_use]
    pub fn of(self, amount: u64) -> u64 {
        let part = u128::from(amount) * u128::from(self.0) / u128::from(Self::DENOMINATOR);
        u64::try_from(part).expect("a part is not more than the whole")
    }

    /// Reads a percentage such as `50%` or `0.125%`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, decimals) = match number.split_once('.') {
            Some((whole, decimals)) => (whole, decimals),
            None => (number, "0"),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > Self::DECIMALS
        {
            return None;
        }
        let decimals: u32 = format!("{decimals:0<width$}", width = Self::DECIMALS).parse().ok()?;
        let rate = whole.parse::<u32>().ok()? * Self::PERCENT + decimals;
        (1..=Self::DENOMINATOR).contains(&rate).then_some(Self(rate))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:0width$}", self.0 % Self::PERCENT, width = Self::DECIMALS);
        write!(f, "{}", self.0 / Self::PERCENT)?;
        match decimals.trim_end_matches('0') {
            "" => f.write_str("%"),
            decimals => write!(f, ".{decimals}%"),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        for (text, parts) in [
            ("50%", 50_000_000),
            ("0.000001%", 1),
            ("100%", 100_000_000),
            ("33.333333%", 33_333_333),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.numerator(), parts);
            assert_eq!(rate.to_string(), text);
        }
        assert_eq!(Rate::parse("1.50%").unwrap().to_string(), "1.5%");
    }

    #[test]
    fn what_is_not_above_0_and_up_to_100_percent_is_refused() {
        let wrong = ["0%", "0.0%", "100.000001%", "101%", "1000%", "50", "%", ".5%", "5.%", "-1%"];
        for text in wrong.into_iter().chain(["+1%", "1e1%", "0.0000001%", "50 %", "50%%", "1.2.3%"])
        {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_rounded_down_once() {
        assert_eq!(Rate::parse("50%").unwrap().of(10_001), 5_000);
        assert_eq!(Rate::parse("0.000001%").unwrap().of(99_999_999), 0);
        assert_eq!(Rate::WHOLE.of(u64::MAX), u64::MAX);
    }
}
