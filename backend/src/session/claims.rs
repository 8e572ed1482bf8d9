//! One-time claims: what a browser that signed in over the socket shows to `GET claim` to get its cookie.
//!
//! 256 bits, 30 s, single use; the claim's hash is kept, not the claim.

use super::secret;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use wire::Millis;

/// How long a claim waits for its browser, in milliseconds.
pub const LIFE: Millis = 30_000;
/// Sign-ins are limited to fewer in 30 s; one more drops the claims that waited longest.
const WAITING: usize = 1000;

/// What waits to be claimed.
pub struct Claims<T> {
    /// Held for one lookup or one insertion.
    waiting: Mutex<HashMap<[u8; 32], (Millis, T)>>,
}

impl<T> std::fmt::Debug for Claims<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claims({})", self.waiting.lock().len())
    }
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<T> Claims<T> {
    /// A claim for `what`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn offer(&self, what: T, now: Millis) -> Result<String, getrandom::Error> {
        let claim = secret()?;
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, (until, _)| *until > now);
        if waiting.len() >= WAITING
            && let Some(oldest) = waiting.iter().min_by_key(|(_, (until, _))| *until).map(|(hash, _)| *hash)
        {
            waiting.remove(&oldest);
        }
        waiting.insert(Sha256::digest(claim.as_bytes()).into(), (now + LIFE, what));
        Ok(String::clone(&claim))
    }

    /// What was claimed; a claim works once.
    pub fn take(&self, claim: &str, now: Millis) -> Option<T> {
        let hash: [u8; 32] = Sha256::digest(claim.as_bytes()).into();
        let (until, what) = self.waiting.lock().remove(&hash)?;
        (until > now).then_some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_works_once_and_for_thirty_seconds() {
        let claims = Claims::default();
        let (one, two) = (claims.offer(1, 0).unwrap(), claims.offer(2, 0).unwrap());
        assert_eq!(one.len(), 43);
        assert_eq!(claims.take(&one, LIFE - 1), Some(1));
        assert_eq!(claims.take(&one, LIFE - 1), None);
        assert_eq!(claims.take(&two, LIFE), None);
        assert_eq!(claims.take("guess", 0), None);
    }
}
