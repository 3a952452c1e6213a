use super::Period::{Day, Hour, Minute, Month, Total};

/// Seconds of midnight in UTC, by days that are counted one by one.
fn midnight(year: u64, month: usize, day: u64) -> u64 {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = |year, month| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|month| length(year, month)).sum();
    (years + months + day - 1) * 86_400
}

#[test]
fn short_periods_begin_with_the_clock() {
    let noon = midnight(2026, 7, 19) + 12 * 3_600;
    assert_eq!(noon, super::NOW);
    assert_eq!(Minute.around(noon + 59), (noon, Some(noon + 60)));
    assert_eq!(Minute.around(noon + 60), (noon + 60, Some(noon + 120)));
    assert_eq!(Hour.around(noon + 3_599), (noon, Some(noon + 3_600)));
    assert_eq!(Hour.around(noon - 1), (noon - 3_600, Some(noon)));
    assert_eq!(Day.around(noon), (midnight(2026, 7, 19), Some(midnight(2026, 7, 20))));
    assert_eq!(Total.around(noon), (0, None));
}

#[test]
fn months_are_those_of_the_calendar() {
    for year in [1970, 1972, 1999, 2000, 2023, 2024, 2026, 2099, 2100, 2101, 2399, 2400] {
        for month in 1..=12 {
            let first = midnight(year, month, 1);
            let next = if month == 12 { midnight(year + 1, 1, 1) } else { midnight(year, month + 1, 1) };
            for time in [first, first + 1, first + 14 * 86_400, next - 1] {
                assert_eq!(Month.around(time), (first, Some(next)), "{year}-{month}");
            }
        }
    }
}

#[test]
fn february_ends_when_it_does() {
    let end = |year| Month.around(midnight(year, 2, 28)).1.unwrap();
    assert_eq!(end(2023), midnight(2023, 3, 1));
    assert_eq!(Month.around(midnight(2024, 2, 29)), (midnight(2024, 2, 1), Some(midnight(2024, 3, 1))));
    assert_eq!(end(2000), midnight(2000, 2, 28) + 2 * 86_400);
    assert_eq!(end(2100), midnight(2100, 2, 28) + 86_400);
}

#[test]
fn each_period_ends_where_the_next_one_begins() {
    for period in [Minute, Hour, Day, Month] {
        let mut from = 0;
        for _ in 0..1_000 {
            let (begins, ends) = period.around(from);
            assert_eq!(begins, from);
            from = ends.unwrap();
        }
    }
}

#[test]
fn no_time_is_too_late() {
    for period in [Minute, Hour, Day, Month] {
        for time in [u64::MAX, u64::MAX - 1, u64::MAX / 2, u64::MAX / 86_400] {
            let (from, until) = period.around(time);
            assert!(from <= time && until.unwrap() >= time, "{period:?} {time}");
        }
    }
}
