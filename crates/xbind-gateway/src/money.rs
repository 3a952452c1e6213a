//! Money, in whole numbers: a sum is in nano units (1e-9) of the currency that is configured, and a price in nano units for a
//! million tokens.

use crate::usage::Usage;

/// How many decimals a sum can have.
const DECIMALS: usize = 9;
/// Nano units in one.
const UNIT: u64 = 1_000_000_000;
/// How many tokens a price is for.
const PER: u128 = 1_000_000;

/// What a million tokens of each kind cost, in nano units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Price {
    /// Input that is neither of the two below.
    pub input: u64,
    /// Input that the upstream had in its cache.
    pub cached: u64,
    /// Input that it has put into its cache.
    pub written: u64,
    /// Output.
    pub output: u64,
}

impl Price {
    /// What that costs, in nano units, rounded up.
    pub(crate) fn of(&self, usage: &Usage) -> u64 {
        let fresh = usage.input.saturating_sub(usage.cached).saturating_sub(usage.written);
        sum(&[
            (fresh, self.input),
            (usage.cached, self.cached),
            (usage.written, self.written),
            (usage.output, self.output),
        ])
    }

    /// The most that so many tokens can cost, whatever the upstream does with its cache.
    pub(crate) fn most(&self, input: u64, output: u64) -> u64 {
        sum(&[(input, self.input.max(self.cached).max(self.written)), (output, self.output)])
    }
}

fn sum(parts: &[(u64, u64)]) -> u64 {
    let cost = parts
        .iter()
        .map(|(tokens, price)| u128::from(*tokens).saturating_mul(u128::from(*price)))
        .fold(0_u128, u128::saturating_add);
    u64::try_from(cost.div_ceil(PER)).unwrap_or(u64::MAX)
}

/// The nano units of a decimal: digits, then perhaps a dot and one to nine more. No sign, no exponent, no zero in front.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let is_spelled = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    if !is_spelled || fraction.len() > DECIMALS || !(fraction.is_empty() || is_digits(fraction)) {
        return None;
    }
    let nano = format!("{fraction:0<DECIMALS$}").parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(UNIT)?.checked_add(nano)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The decimal of so many nano units, without zeros at its end.
pub fn shown(nano: u64) -> String {
    let (whole, rest) = (nano.checked_div(UNIT).unwrap_or(0), nano.checked_rem(UNIT).unwrap_or(0));
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{rest:0>DECIMALS$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_decimal_has_one_spelling() {
        for (text, nano) in [
            ("0", 0),
            ("2.50", 2_500_000_000),
            ("2.5", 2_500_000_000),
            ("0.000000001", 1),
            ("15", 15_000_000_000),
            ("18446744073.709551615", u64::MAX),
        ] {
            assert_eq!(decimal(text), Some(nano), "{text}");
        }
        for text in [
            "",
            ".",
            ".5",
            "5.",
            "1.2.3",
            "-1",
            "+1",
            "1e3",
            "01",
            "00",
            "0.0000000001",
            "1,5",
            " 1",
            "1 ",
            "1_000",
            "18446744073.709551616",
            "99999999999999999999",
            "٣",
            "1.٣",
            "0x10",
            "NaN",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn costs_are_rounded_up_and_never_wrap() {
        let price = Price { input: 2_500_000_000, cached: 250_000_000, written: 3_125_000_000, output: 10_000_000_000 };
        let usage = Usage { input: 1_000_000, cached: 0, written: 0, output: 0 };
        assert_eq!(price.of(&usage), 2_500_000_000);
        assert_eq!(price.of(&Usage { cached: 400_000, written: 100_000, ..usage }), 1_662_500_000);
        assert_eq!(price.of(&Usage { output: 1_000_000, ..usage }), 12_500_000_000);
        let least = Price { input: 1, ..Price::default() };
        assert_eq!(least.of(&Usage { input: 1, ..Usage::default() }), 1);
        assert_eq!(least.of(&Usage { input: 1_000_001, ..Usage::default() }), 2);
        assert_eq!(least.of(&Usage::default()), 0);
        let dear = Price { input: u64::MAX, cached: u64::MAX, written: u64::MAX, output: u64::MAX };
        assert_eq!(dear.of(&Usage { input: u64::MAX, cached: 0, written: 0, output: u64::MAX }), u64::MAX);
        assert_eq!(dear.most(u64::MAX, u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(nano: u64) {
            prop_assert_eq!(decimal(&shown(nano)), Some(nano));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9.]{0,24}|\\PC*") {
            if let Some(nano) = decimal(&text) {
                prop_assert_eq!(decimal(&shown(nano)), Some(nano));
            }
        }

        #[test]
        fn nothing_costs_more_than_the_most(
            fresh in 0..=1_u64 << 40, cached in 0..=1_u64 << 40, written in 0..=1_u64 << 40, output in 0..=1_u64 << 40,
            prices: [u32; 4],
        ) {
            let prices = prices.map(u64::from);
            let price = Price { input: prices[0], cached: prices[1], written: prices[2], output: prices[3] };
            let input = [fresh, cached, written].iter().sum();
            let usage = Usage { input, cached, written, output };
            prop_assert!(price.of(&usage) <= price.most(input, output));
        }
    }
}
