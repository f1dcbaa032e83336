//! How the processes behind one name have done lately, and which of them to ask next. A pure machine over time, so that
//! it can be tested without waiting.

use std::time::{Duration, Instant};

/// How many failures in a row take an endpoint out.
pub(super) const FAILURES: u32 = 5;
/// How long the first ejection lasts; the n-th in a row lasts n times as long.
const EJECTION: Duration = Duration::from_secs(30);
/// The longest ejection.
const LONGEST_EJECTION: Duration = Duration::from_secs(300);
/// An endpoint that was well for so long after an ejection begins anew.
const REHABILITATION: Duration = Duration::from_secs(300);
/// How long an endpoint that may not be ejected is left alone before one request tries it again.
const OPEN: Duration = Duration::from_secs(1);

/// All endpoints of one upstream.
#[derive(Debug)]
pub(super) struct Health {
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default)]
struct Endpoint {
    failures: u32,
    ejections: u32,
    /// Out until then; afterwards one trial decides.
    out_until: Option<Instant>,
    on_trial: bool,
    /// What it says of itself at `/readyz`.
    unready: bool,
}

/// How good a choice an endpoint is; better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Does its work, or has sat out its time and is on trial with the next request.
    Well,
    /// Was taken out, but says that it is ready: better than nobody.
    Ejected,
    /// Says that it is not ready.
    Unready,
    /// Neither in order nor worth a try: whoever asks is refused at once.
    Open,
}

impl Health {
    pub(super) fn of(count: usize) -> Self {
        Self {
            endpoints: vec![Endpoint::default(); count],
        }
    }

    /// The endpoints of the best standing there is, without those in `tried`; empty where none is worth asking.
    pub(super) fn candidates(&self, now: Instant, tried: &[usize]) -> Vec<usize> {
        let standings = (0..self.endpoints.len())
            .filter(|index| !tried.contains(index))
            .map(|index| (self.standing(index, now), index));
        let mut best = Standing::Open;
        let mut candidates = Vec::new();
        for (standing, index) in standings {
            if standing < best {
                best = standing;
                candidates.clear();
            }
            if standing == best && standing < Standing::Open {
                candidates.push(index);
            }
        }
        candidates
    }

    fn standing(&self, index: usize, now: Instant) -> Standing {
        let endpoint = &self.endpoints[index];
        let alone = self.endpoints.len() == 1;
        match endpoint.out_until {
            None if endpoint.unready => Standing::Unready,
            None => Standing::Well,
            Some(until) if now >= until && endpoint.on_trial => Standing::Open,
            Some(until) if now >= until && !endpoint.unready => Standing::Well,
            Some(until) if now >= until => Standing::Unready,
            // With nobody else to go to, the break is what keeps callers from waiting.
            Some(_) if alone || endpoint.unready => Standing::Open,
            Some(_) => Standing::Ejected,
        }
    }

    /// A request goes to the endpoint; one that was taken out is on trial with it. When its time is over there is one trial
    /// at a time; before, it is asked only where there is nobody else, by all.
    pub(super) fn chosen(&mut self, index: usize) {
        let endpoint = &mut self.endpoints[index];
        endpoint.on_trial = endpoint.out_until.is_some();
    }

    /// The endpoint answered as it should.
    pub(super) fn succeeded(&mut self, index: usize, now: Instant) {
        let endpoint = &mut self.endpoints[index];
        endpoint.failures = 0;
        let trial = std::mem::take(&mut endpoint.on_trial);
        if let Some(until) = endpoint.out_until {
            // An answer to a request that was sent before the ejection says nothing about the present. One that was asked
            // because there was nobody else shows that it works again.
            if now < until && !trial {
                return;
            }
            if now.saturating_duration_since(until) > REHABILITATION {
                endpoint.ejections = 0;
            }
            endpoint.out_until = None;
        }
    }

    /// The endpoint could not be reached, took too long, or answered with a failure of its own. True where it is taken out
    /// by this.
    pub(super) fn failed(&mut self, index: usize, now: Instant) -> bool {
        let may_eject = self.may_eject(index);
        let endpoint = &mut self.endpoints[index];
        let trial = std::mem::take(&mut endpoint.on_trial);
        endpoint.failures = endpoint.failures.saturating_add(1);
        if endpoint.out_until.is_some_and(|until| now < until) || (endpoint.failures < FAILURES && !trial) {
            return false;
        }
        let long = match may_eject {
            true => {
                endpoint.ejections = endpoint.ejections.saturating_add(1);
                (EJECTION * endpoint.ejections).min(LONGEST_EJECTION)
            }
            false => OPEN,
        };
        endpoint.out_until = Some(now + long);
        endpoint.failures = 0;
        may_eject
    }

    /// A request that was chosen for the endpoint has come to nothing by no fault of it.
    pub(super) fn spared(&mut self, index: usize) {
        self.endpoints[index].on_trial = false;
    }

    /// What the endpoint says of itself. One that was gone and is back has most likely been started anew, and what it did
    /// before counts no more; but one that was taken out more than once comes and goes, and sits out its time.
    pub(super) fn says_ready(&mut self, index: usize, ready: bool) {
        let endpoint = &mut self.endpoints[index];
        let is_back = endpoint.unready && ready;
        endpoint.unready = !ready;
        if is_back && endpoint.ejections <= 1 {
            endpoint.failures = 0;
            endpoint.out_until = None;
            endpoint.on_trial = false;
        }
    }

    /// At most half of the endpoints are out at a time, and never the last.
    fn may_eject(&self, index: usize) -> bool {
        let others_out = |(other, endpoint): &(usize, &Endpoint)| *other != index && endpoint.out_until.is_some();
        let out = self.endpoints.iter().enumerate().filter(others_out).count();
        2 * (out + 1) <= self.endpoints.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(health: &mut Health, index: usize, times: u32, now: Instant) {
        for _ in 0..times {
            health.failed(index, now);
        }
    }

    #[test]
    fn five_failures_in_a_row_take_an_endpoint_out_for_half_a_minute() {
        let (mut health, now) = (Health::of(2), Instant::now());
        fail(&mut health, 0, FAILURES - 1, now);
        health.succeeded(0, now);
        fail(&mut health, 0, FAILURES - 1, now);
        assert_eq!(health.candidates(now, &[]), [0, 1]);
        assert!(health.failed(0, now));
        assert_eq!(health.candidates(now, &[]), [1]);
        assert_eq!(health.candidates(now + 29 * SECOND, &[]), [1]);
    }

    #[test]
    fn an_endpoint_comes_back_by_a_trial_and_goes_for_longer_each_time() {
        let (mut health, start) = (Health::of(2), Instant::now());
        fail(&mut health, 0, FAILURES, start);
        let later = start + 30 * SECOND;
        assert_eq!(health.candidates(later, &[]), [0, 1]);
        health.chosen(0);
        assert_eq!(health.candidates(later, &[]), [1], "one trial at a time");
        assert!(health.failed(0, later));
        assert_eq!(health.standing(0, later + 59 * SECOND), Standing::Ejected);
        health.chosen(0);
        health.succeeded(0, later + 60 * SECOND);
        assert_eq!(health.standing(0, later + 60 * SECOND), Standing::Well);
    }

    #[test]
    fn a_lone_endpoint_is_given_a_short_break_instead() {
        let (mut health, now) = (Health::of(1), Instant::now());
        fail(&mut health, 0, FAILURES, now);
        assert_eq!(health.candidates(now, &[]), [0; 0]);
        assert_eq!(health.candidates(now + SECOND, &[]), [0]);
        health.chosen(0);
        assert_eq!(health.candidates(now + SECOND, &[]), [0; 0]);
        health.succeeded(0, now + SECOND);
        assert_eq!(health.candidates(now + SECOND, &[]), [0]);
    }

    #[test]
    fn an_ejected_endpoint_that_is_ready_is_better_than_none() {
        let (mut health, now) = (Health::of(2), Instant::now());
        fail(&mut health, 0, FAILURES, now);
        assert_eq!(health.candidates(now, &[1]), [0]);
        health.says_ready(1, false);
        assert_eq!(health.candidates(now, &[]), [0]);
    }

    #[test]
    fn an_ejected_endpoint_that_does_the_work_of_all_others_is_back() {
        let (mut health, now) = (Health::of(2), Instant::now());
        fail(&mut health, 0, FAILURES, now);
        health.says_ready(1, false);
        health.chosen(0);
        assert_eq!(health.candidates(now, &[]), [0], "while the first one waits for it");
        health.succeeded(0, now);
        assert_eq!(health.standing(0, now), Standing::Well);
    }

    #[test]
    fn an_endpoint_that_was_started_anew_is_asked_again_at_once_unless_it_comes_and_goes() {
        let (mut health, now) = (Health::of(2), Instant::now());
        for candidates in [&[0, 1][..], &[1]] {
            health.says_ready(0, false);
            fail(&mut health, 0, FAILURES, now);
            assert_eq!(health.candidates(now, &[]), [1]);
            health.says_ready(0, true);
            assert_eq!(health.candidates(now, &[]), candidates);
        }
        assert_eq!(health.candidates(now + 60 * SECOND, &[]), [0, 1]);
    }

    #[test]
    fn nobody_is_sent_to_an_endpoint_that_is_not_ready_while_another_is() {
        let (mut health, now) = (Health::of(3), Instant::now());
        health.says_ready(1, false);
        assert_eq!(health.candidates(now, &[]), [0, 2]);
        health.says_ready(1, true);
        assert_eq!(health.candidates(now, &[]), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn somebody_can_always_be_asked_soon_and_half_stay_in(
            count in 1_usize..6,
            steps in prop::collection::vec((0_usize..6, 0_u8..4, 0_u64..40), 0..200),
        ) {
            let (mut health, mut now) = (Health::of(count), Instant::now());
            for (index, what, seconds) in steps {
                let index = index % count;
                now += Duration::from_secs(seconds);
                match what {
                    0 => drop(health.failed(index, now)),
                    1 => health.succeeded(index, now),
                    2 => health.says_ready(index, seconds % 2 == 0),
                    _ => for candidate in health.candidates(now, &[]).into_iter().take(1) {
                        health.chosen(candidate);
                        health.failed(candidate, now);
                    },
                }
                let ejected = health.endpoints.iter().filter(|endpoint| endpoint.ejections > 0
                    && endpoint.out_until.is_some_and(|until| until > now + OPEN)).count();
                prop_assert!(2 * ejected <= count);
                prop_assert!(!health.candidates(now + OPEN, &[]).is_empty());
            }
        }
    }
}
