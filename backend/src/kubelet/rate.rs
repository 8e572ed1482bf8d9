//! Two points of one object and the rate between them: rules A and B of the Metrics API, without any state.

/// What a scrape said about one object at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Unix nanoseconds of the container's start, when known.
    pub(super) started: Option<u64>,
    /// Unix nanoseconds of the sample, by the kubelet's clock.
    pub(super) at: u64,
    /// Cumulative nanoseconds.
    pub(super) cpu: u64,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) swap: Option<u64>,
}

/// What a rate needs of an older point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) started: Option<u64>,
    pub(super) at: u64,
    pub(super) cpu: u64,
}

/// The newest point and the base of its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) last: Point,
    pub(super) prev: Option<Base>,
    /// The last point began a new run of the container and was too old or too young to stand alone.
    pub(super) restarted: bool,
    /// Good scrapes in a row that brought no newer sample.
    pub(super) repeats: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Nanoseconds, more than zero.
    pub(super) window: u64,
    /// Nanocores.
    pub(super) cpu: u64,
}

/// Why two points give no rate: the counter went back, by itself or with its start. From and to, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WentBack(pub(super) u64, pub(super) u64);

/// The least age at which a container's own start is a base.
const FRESH: u64 = 10_000_000_000;

impl Pair {
    /// Rule A: a node's next point.
    pub(super) fn node(old: Option<&Self>, new: Point) -> Self {
        let prev = old.and_then(|old| {
            if new.at > old.last.at { Some(old.last.into()) } else { old.prev.filter(|prev| prev.at < new.at) }
        });
        Self { last: new, prev, restarted: false, repeats: repeats(old, new) }
    }

    /// Rule B: a container's next point. `resolution` in nanoseconds.
    pub(super) fn container(old: Option<&Self>, new: Point, resolution: u64) -> Self {
        let age = new.started.and_then(|started| new.at.checked_sub(started));
        if let (Some(started), Some(age)) = (new.started, age)
            && (FRESH..resolution).contains(&age)
        {
            let prev = Base { started: Some(started), at: started, cpu: 0 };
            return Self { last: new, prev: Some(prev), restarted: false, repeats: repeats(old, new) };
        }
        match old {
            Some(old) if new.started.is_none_or(|started| started < old.last.at) => Self::node(Some(old), new),
            _ => Self { last: new, prev: None, restarted: old.is_some(), repeats: 0 },
        }
    }

    /// The rate between the two points; `None` while there is only one.
    pub(super) fn rate(&self) -> Option<Result<Rate, WentBack>> {
        let (last, prev) = (&self.last, self.prev.as_ref()?);
        let window = last.at.checked_sub(prev.at).filter(|window| *window > 0)?;
        let start_went_back = prev.started.is_some_and(|prev| last.started.is_none_or(|last| last < prev));
        let Some(grown) = last.cpu.checked_sub(prev.cpu).filter(|_| !start_went_back) else {
            return Some(Err(WentBack(prev.cpu, last.cpu)));
        };
        let cpu = u128::from(grown) * 1_000_000_000 / u128::from(window);
        Some(Ok(Rate { window, cpu: u64::try_from(cpu).unwrap_or(u64::MAX) }))
    }
}

impl From<Point> for Base {
    fn from(Point { started, at, cpu, .. }: Point) -> Self {
        Self { started, at, cpu }
    }
}

fn repeats(old: Option<&Pair>, new: Point) -> u8 {
    old.filter(|old| new.at <= old.last.at).map_or(0, |old| old.repeats.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn point(at: u64, cpu: u64) -> Point {
        Point { started: None, at: at * S, cpu: cpu * S, memory: 1, swap: None }
    }

    /// Feeds points (start or none, time, CPU; seconds) at a resolution of 60 s; the last rate as window and cores.
    #[track_caller]
    fn check(points: &[(Option<u64>, u64, u64)], expected: Option<Result<(u64, u64), ()>>) {
        let pair = points.iter().fold(None::<Pair>, |old, (started, at, cpu)| {
            let new = Point { started: started.map(|s| s * S), ..point(*at, *cpu) };
            Some(Pair::container(old.as_ref(), new, 60 * S))
        });
        let rate = pair.unwrap().rate().map(|rate| rate.map(|rate| (rate.window / S, rate.cpu / S)).map_err(|_| ()));
        assert_eq!(rate, expected);
    }

    #[test]
    fn one_sample_of_an_old_container_is_no_rate() {
        check(&[(Some(10), 110, 5)], None);
        check(&[(None, 110, 5)], None);
    }

    #[test]
    fn ten_seconds_are_fresh_and_the_resolution_is_not() {
        check(&[(Some(100), 110, 20)], Some(Ok((10, 2))));
        check(&[(Some(100), 109, 20)], None);
        check(&[(Some(100), 160, 20)], None);
        check(&[(Some(100), 159, 118)], Some(Ok((59, 2))));
    }

    #[test]
    fn a_start_after_the_sample_is_no_base() {
        check(&[(Some(120), 110, 20)], None);
    }

    #[test]
    fn a_repeated_sample_keeps_serving_only_with_a_base() {
        check(&[(None, 10, 10), (None, 10, 10)], None);
        check(&[(None, 10, 10), (None, 20, 20), (None, 20, 20)], Some(Ok((10, 1))));
    }

    #[test]
    fn repetitions_are_counted_until_a_newer_sample() {
        let times = [(10, 0), (20, 0), (20, 1), (20, 2), (30, 0), (25, 1)];
        let mut pair = None;
        for (at, repeats) in times {
            let next = Pair::node(pair.as_ref(), point(at, 1));
            assert_eq!(next.repeats, repeats, "{at}");
            pair = Some(next);
        }
    }

    #[test]
    fn a_sample_between_the_two_is_rated_against_the_older() {
        check(&[(None, 10, 10), (None, 20, 20), (None, 15, 20)], Some(Ok((5, 2))));
    }

    #[test]
    fn a_sample_older_than_both_starts_again() {
        check(&[(None, 10, 10), (None, 20, 20), (None, 10, 10)], None);
        check(&[(None, 10, 10), (None, 20, 20), (None, 5, 5)], None);
    }

    #[test]
    fn a_counter_that_goes_back_is_no_rate_and_the_next_sample_cures_it() {
        check(&[(Some(0), 110, 20), (Some(0), 120, 10)], Some(Err(())));
        check(&[(Some(0), 110, 20), (Some(0), 120, 10), (Some(0), 130, 20)], Some(Ok((10, 1))));
    }

    #[test]
    fn a_restart_that_is_not_fresh_waits_for_its_second_sample() {
        check(&[(Some(0), 100, 20), (Some(115), 120, 3)], None);
        check(&[(Some(0), 100, 20), (Some(115), 120, 3), (Some(115), 180, 63)], Some(Ok((60, 1))));
    }

    #[test]
    fn an_old_start_that_disappears_is_an_error() {
        check(&[(Some(0), 100, 20), (None, 120, 30)], Some(Err(())));
    }

    #[test]
    fn no_growth_is_a_valid_zero() {
        check(&[(None, 10, 10), (None, 20, 10)], Some(Ok((10, 0))));
    }
}
