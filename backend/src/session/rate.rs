//! Slows guessing down: ten refused sign-ins a minute per address, ten times that for all addresses together, then a
//! pause that doubles up to a minute. Successes and an unreachable API server cost nothing.
//!
//! At most [`ADDRESSES`] addresses are remembered; beyond that the ones at rest longest go.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use wire::Millis;

const WINDOW: Millis = 60_000;
const FREE: u32 = 10;
const LONGEST: Millis = 60_000;
/// 64 bytes each: under a megabyte for whoever owns a /48.
const ADDRESSES: usize = 10_000;
/// How many times more all addresses together may fail.
const EVERYBODY: u32 = 10;

/// Counts refusals.
#[derive(Debug, Default)]
pub struct Rate {
    /// Held for one lookup.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    addresses: HashMap<IpAddr, Failures>,
    all: Failures,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    /// When the window began, or the last failure beyond the free ones.
    since: Millis,
    /// Nothing is accepted before this.
    until: Millis,
}

impl Rate {
    /// Whether an attempt may be made now.
    ///
    /// # Errors
    /// The seconds to wait, rounded up.
    pub fn check(&self, address: IpAddr, now: Millis) -> Result<(), u32> {
        let state = self.state.lock();
        let until = state.addresses.get(&network(address)).map_or(0, |failures| failures.until).max(state.all.until);
        if until <= now { Ok(()) } else { Err(u32::try_from((until - now + 999) / 1000).unwrap_or(60)) }
    }

    /// An attempt was refused.
    pub fn failed(&self, address: IpAddr, now: Millis) {
        let mut state = self.state.lock();
        state.all.fail(FREE * EVERYBODY, now);
        if state.addresses.len() >= ADDRESSES {
            state.addresses.retain(|_, failures| now - failures.since < WINDOW);
            if state.addresses.len() >= ADDRESSES {
                return; // everybody's limit holds them
            }
        }
        state.addresses.entry(network(address)).or_default().fail(FREE, now);
    }
}

impl Failures {
    fn fail(&mut self, free: u32, now: Millis) {
        if now - self.since.max(self.until) >= WINDOW {
            *self = Self { count: 0, since: now, until: 0 };
        }
        self.count += 1;
        if self.count >= free {
            let doublings = (self.count - free).min(6);
            self.until = now + (1000_i64 << doublings).min(LONGEST);
            self.since = now;
        }
    }
}

/// One customer's IPv6 addresses are one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_tenth_failure_in_a_minute_makes_the_address_wait_and_no_other() {
        let rate = Rate::default();
        for second in 0..9 {
            rate.failed(A, second * 1000);
            assert_eq!(rate.check(A, second * 1000), Ok(()));
        }
        rate.failed(A, 9000);
        assert_eq!(rate.check(A, 9000), Err(1));
        assert_eq!(rate.check(B, 9000), Ok(()));
        assert_eq!(rate.check(A, 10_000), Ok(()));
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_is_forgotten_after_one() {
        let rate = Rate::default();
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..18 {
            rate.failed(A, now);
            let wait = rate.check(A, now).err().unwrap_or(0);
            waits.push(wait);
            now += Millis::from(wait) * 1000;
        }
        assert_eq!(waits[9..], [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        rate.failed(A, now + WINDOW);
        assert_eq!(rate.check(A, now + WINDOW), Ok(()));
    }

    #[test]
    fn many_addresses_together_wait_too() {
        let rate = Rate::default();
        for host in 0..100 {
            rate.failed(IpAddr::from([198, 51, 100, host]), 0);
        }
        assert_eq!(rate.check(B, 0), Err(1));
    }
}
