//! When a delivery is tried again, and when an endpoint is given up. The times are those of Standard Webhooks, the five days
//! those of its best-known implementation.

use chrono::{DateTime, TimeDelta, Utc};

use super::DisabledReason;

/// How long after each failure the next attempt comes, in seconds; the first one comes at once. About three days in all.
const DELAYS: [i64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];
/// By how much of itself a delay is made longer at random, so that what failed together does not come back together.
const JITTER_PERCENT: i64 = 10;
/// The longest pause that an endpoint may ask for.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(24);
/// An endpoint where nothing has succeeded for so long is disabled.
pub(crate) const FAILING_AT_MOST: TimeDelta = TimeDelta::hours(120);

/// What an answer means. Only 2xx is success; a redirect is none, because it is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    Refused,
    /// 410: the endpoint wants nothing more, ever.
    Gone,
}

impl Verdict {
    /// Of the status of an answer; `None` where there was no answer.
    pub(crate) fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Self::Taken,
            Some(410) => Self::Gone,
            _ => Self::Refused,
        }
    }
}

/// How long after the last of `failures` attempts (1 or more) the next one comes; `None` where there is none. The endpoint
/// may have asked for a longer pause. `random` makes it a little longer.
pub(crate) fn next_delay(failures: i32, asked: Option<TimeDelta>, random: u8) -> Option<TimeDelta> {
    let index = usize::try_from(failures).ok()?.checked_sub(1)?;
    let seconds = *DELAYS.get(index)?;
    let jitter = seconds * 1000 * JITTER_PERCENT * i64::from(random) / (100 * i64::from(u8::MAX));
    let delay = TimeDelta::seconds(seconds) + TimeDelta::milliseconds(jitter);
    let asked = asked.unwrap_or_default().min(LONGEST_PAUSE);
    Some(delay.max(asked))
}

/// Whether an endpoint that has failed at `now` is disabled, and why. `since` is when it failed first after its last success.
pub(crate) fn gives_up(verdict: Verdict, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DisabledReason> {
    match verdict {
        Verdict::Taken => None,
        Verdict::Gone => Some(DisabledReason::Gone),
        Verdict::Refused => (now - since >= FAILING_AT_MOST).then_some(DisabledReason::Failing),
    }
}

/// The pause that `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn asked_pause(retry_after: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(TimeDelta::seconds(seconds.into()));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - now).max(TimeDelta::zero()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_schedule_is_that_of_the_standard() {
        let delays: Vec<i64> = (1..)
            .map_while(|failures| next_delay(failures, None, 0))
            .map(|delay| delay.num_seconds())
            .collect();
        assert_eq!(delays, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(next_delay(0, None, 0), None, "what has not failed is not tried again");
        assert_eq!(next_delay(i32::MIN, None, 0), None);
    }

    proptest! {
        #[test]
        fn no_delay_is_shorter_than_the_schedule_or_what_was_asked_nor_much_longer(
            failures in 1..=9_i32, asked in proptest::option::of(0..200_000_i64), random in any::<u8>()
        ) {
            let least = next_delay(failures, None, 0).unwrap();
            let asked = asked.map(TimeDelta::seconds);
            let delay = next_delay(failures, asked, random).unwrap();
            let pause = asked.unwrap_or_default().min(LONGEST_PAUSE);
            prop_assert!(delay >= least && delay >= pause);
            prop_assert!(delay <= (least * 11 / 10).max(pause));
        }

        #[test]
        fn only_2xx_is_success(status in 100..=599_u16) {
            prop_assert_eq!(Verdict::of(Some(status)) == Verdict::Taken, status / 100 == 2);
        }
    }

    #[test]
    fn an_endpoint_is_given_up_at_once_where_it_is_gone_else_after_five_days() {
        let since = DateTime::UNIX_EPOCH;
        let after = |hours| since + TimeDelta::hours(hours);
        assert_eq!(
            gives_up(Verdict::of(Some(410)), since, since),
            Some(DisabledReason::Gone)
        );
        assert_eq!(gives_up(Verdict::of(Some(500)), since, after(119)), None);
        assert_eq!(
            gives_up(Verdict::of(None), since, after(120)),
            Some(DisabledReason::Failing)
        );
        assert_eq!(gives_up(Verdict::Taken, since, after(500)), None);
    }

    #[test]
    fn a_pause_is_a_number_of_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc2822("Wed, 21 Oct 2015 07:28:00 GMT")
            .unwrap()
            .to_utc();
        assert_eq!(asked_pause(" 120 ", now), Some(TimeDelta::seconds(120)));
        assert_eq!(
            asked_pause("Wed, 21 Oct 2015 07:29:00 GMT", now),
            Some(TimeDelta::seconds(60))
        );
        assert_eq!(
            asked_pause("Wed, 21 Oct 2015 07:27:00 GMT", now),
            Some(TimeDelta::zero())
        );
        for nonsense in ["", "-1", "soon", "1.5", "99999999999"] {
            assert_eq!(asked_pause(nonsense, now), None, "{nonsense}");
        }
    }
}
