//! How much CPU and memory a container uses at a time: a pure function of the seed, the container and the time.
//!
//! CPU is given as the integral, so that a counter read at any two times is exact and never falls.

use crate::run::{Behaviour, ContainerRun};

/// Bytes of a page; working sets are multiples of it.
const PAGE: u64 = 4096;

/// A well-mixed number of two (splitmix64).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number of a text (FNV-1a, then mixed).
pub(crate) fn hash(seed: u64, text: &str) -> u64 {
    let fnv = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mix(seed, fnv)
}

/// Between 0 and 1.
pub(crate) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

/// The curve of one container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Curve {
    /// Mean cores.
    cores: f64,
    /// Share of the mean that the daily wave adds and takes.
    swing: f64,
    /// Seconds.
    day: f64,
    phase: f64,
    /// Every `every` seconds it uses `burst` cores more for a tenth of that time.
    burst: f64,
    every: f64,
    /// Bytes.
    memory: f64,
    /// Bytes a second.
    leak: f64,
}

impl Curve {
    /// `day` in seconds: how long the daily wave lasts.
    pub(crate) fn of(seed: u64, pod: &str, container: &ContainerRun, day: f64) -> Self {
        let own = mix(hash(seed, pod), hash(1, &container.name));
        let part = |n: u64| unit(mix(own, n));
        let cores = f64::from(container.cpu_request.max(10)) / 1000.0;
        let request = container.memory_request.max(16 << 20) as f64;
        let (busy, burst) = match container.behaviour {
            Behaviour::Crash => (0.02, 0.0),
            _ => (0.2 + 0.5 * part(1), if part(2) < 0.3 { 0.4 } else { 0.0 }),
        };
        let leak = match (container.behaviour, container.memory_limit) {
            // From its start to its limit in five to nine minutes.
            (Behaviour::Leak, Some(limit)) => (limit as f64 - request * 0.4).max(1.0) / (300.0 + 240.0 * part(3)),
            _ => 0.0,
        };
        Self {
            cores: cores * busy,
            swing: 0.25 + 0.4 * part(4),
            day,
            // Most of a cluster is busy at the same hours.
            phase: 1.2 * part(5),
            burst: cores * burst,
            every: 120.0 + 360.0 * part(6),
            memory: request * if leak > 0.0 { 0.4 } else { 0.45 + 0.4 * part(7) },
            leak,
        }
    }

    /// Core-nanoseconds used from `from` to `to` (Unix milliseconds).
    pub(crate) fn cpu(&self, from: i64, to: i64) -> u64 {
        if to <= from {
            return 0;
        }
        let used = self.integral(to) - self.integral(from);
        (used.max(0.0) * 1e9) as u64
    }

    fn integral(&self, at: i64) -> f64 {
        let t = at as f64 / 1000.0;
        let turn = std::f64::consts::TAU / self.day;
        // The whole turns are cut off before the cosine, which would lose precision on Unix times.
        let wave = -((turn * (t % self.day) + self.phase).cos()) / turn;
        let (whole, rest) = ((t / self.every).floor(), t % self.every);
        let busy = whole * self.every * 0.1 + rest.min(self.every * 0.1);
        self.cores * (t + self.swing * wave) + self.burst * busy
    }

    /// Bytes of working set at `at`, `running_since` the container's start.
    pub(crate) fn memory(&self, running_since: i64, at: i64) -> u64 {
        let t = at as f64 / 1000.0;
        let turn = std::f64::consts::TAU / self.day;
        let wave = 1.0 + 0.08 * (turn * (t % self.day) + self.phase).sin();
        let ripple = 1.0 + 0.01 * ((t % 97.0) / 97.0 * std::f64::consts::TAU).sin();
        let leaked = self.leak * (at - running_since).max(0) as f64 / 1000.0;
        let bytes = if self.leak > 0.0 { self.memory + leaked } else { self.memory * wave * ripple };
        (bytes as u64) / PAGE * PAGE
    }

    /// Milliseconds from the start to the limit, for a container that leaks.
    pub(crate) fn until_limit(&self, limit: u64) -> Option<i64> {
        (self.leak > 0.0).then(|| ((limit as f64 - self.memory).max(0.0) / self.leak * 1000.0) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(behaviour: Behaviour) -> ContainerRun {
        ContainerRun {
            name: "app".into(),
            started: Some(0),
            cpu_request: 200,
            memory_request: 64 << 20,
            memory_limit: Some(128 << 20),
            behaviour,
        }
    }

    #[test]
    fn cpu_never_falls_and_adds_up() {
        let curve = Curve::of(1, "cart-1", &container(Behaviour::Steady), 1200.0);
        let start = 1_795_204_000_000;
        let mut last = 0;
        for step in 1..2000 {
            let now = curve.cpu(start, start + step * 1700);
            assert!(now >= last, "at step {step}");
            last = now;
        }
        let halves = curve.cpu(start, start + 1_000_000) + curve.cpu(start + 1_000_000, start + 2_000_000);
        assert!(halves.abs_diff(curve.cpu(start, start + 2_000_000)) < 1_000_000);
    }

    #[test]
    fn a_leak_reaches_its_limit_when_told() {
        let curve = Curve::of(1, "checkout-1", &container(Behaviour::Leak), 1200.0);
        let after = curve.until_limit(128 << 20).unwrap();
        assert!((300_000..=540_000).contains(&after), "{after}");
        assert!(curve.memory(0, after + 1000) >= 128 << 20);
        assert!(curve.memory(0, after - 10_000) < 128 << 20);
    }

    #[test]
    fn the_same_seed_gives_the_same_curve_and_another_one_does_not() {
        let at = |seed| Curve::of(seed, "cart-1", &container(Behaviour::Steady), 1200.0).cpu(0, 1_000_000);
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
    }
}
