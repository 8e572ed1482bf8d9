//! Which way the link takes: the socket first, and where sockets do not get through, a streamed GET with POSTs.

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Socket,
    Stream,
}

/// Connections without a word, one after the other, before the other way is tried.
const MISSES: u8 = 2;

/// The way to take next.
#[derive(Debug)]
pub(super) struct Choice {
    way: Way,
    misses: u8,
}

// === impl Choice ===

impl Choice {
    pub(super) fn new(way: Way) -> Self {
        Self { way, misses: 0 }
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    /// The server spoke.
    pub(super) fn worked(&mut self) {
        self.misses = 0;
    }

    /// The server said nothing this way, though it answers plain requests.
    pub(super) fn missed(&mut self) {
        self.misses += 1;
        if self.misses == MISSES {
            *self = Self::new(match self.way {
                Way::Socket => Way::Stream,
                Way::Stream => Way::Socket,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(first: Way, story: &str, expected: Way) {
        let mut choice = Choice::new(first);
        for step in story.chars() {
            if step == '+' { choice.worked() } else { choice.missed() }
        }
        assert_eq!(choice.way(), expected, "{story}");
    }

    #[test]
    fn two_misses_in_a_row_try_the_other_way() {
        check(Way::Socket, "", Way::Socket);
        check(Way::Socket, "-", Way::Socket);
        check(Way::Socket, "--", Way::Stream);
        check(Way::Socket, "---", Way::Stream);
        check(Way::Socket, "----", Way::Socket);
        check(Way::Stream, "--", Way::Socket);
    }

    #[test]
    fn a_way_that_works_is_kept() {
        check(Way::Socket, "-+-+-", Way::Socket);
        check(Way::Socket, "--+-", Way::Stream);
    }
}
