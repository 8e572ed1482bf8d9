//! Sockets whose people have not said who they are: few per address, so that nobody takes the seats without signing in.

use crate::session::rate::network;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Each lasts as long as the first frame takes, ten seconds at most.
pub(super) const ARRIVALS: u32 = 8;

/// How many wait, by address. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// Held for one insertion or removal.
    waiting: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// One that waits; dropped when its person is known, or gone.
#[derive(Debug)]
pub(super) struct Arrival {
    arrivals: Arrivals,
    address: IpAddr,
}

impl Arrivals {
    /// `None` when the address has enough of them.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Arrival> {
        let address = network(address);
        let mut waiting = self.waiting.lock();
        let count = waiting.entry(address).or_default();
        if *count >= ARRIVALS {
            return None;
        }
        *count += 1;
        Some(Arrival { arrivals: self.clone(), address })
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut waiting = self.arrivals.waiting.lock();
        if let Some(count) = waiting.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_a_few_times_and_no_other_feels_it() {
        let arrivals = Arrivals::default();
        let at = |text: &str| arrivals.enter(text.parse().unwrap());
        let mut waiting: Vec<_> = (0..ARRIVALS).map(|_| at("192.0.2.1").unwrap()).collect();
        assert!(at("192.0.2.1").is_none() && at("::ffff:192.0.2.1").is_none());
        assert!(at("192.0.2.2").is_some());
        waiting.pop();
        assert!(at("192.0.2.1").is_some());
        drop(waiting);
        assert!(arrivals.waiting.lock().is_empty(), "nothing is kept of who is gone");
    }
}
