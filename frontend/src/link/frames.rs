//! Frames in a stream of bytes, each after its length (four bytes, little-endian). A length of zero is followed by the
//! close code (two bytes) and ends the stream.

/// What a stream says next.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Frame(Vec<u8>),
    /// The close code.
    End(u16),
}

/// Cuts frames out of chunks that begin and end anywhere.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    bytes: Vec<u8>,
    /// Where the next frame's length stands.
    at: usize,
}

// === impl Cutter ===

impl Cutter {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// `None` until more has come.
    pub(super) fn next(&mut self) -> Option<Piece> {
        let rest = self.bytes.get(self.at..)?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length == 0 {
            return rest.first_chunk().map(|code| Piece::End(u16::from_le_bytes(*code)));
        }
        let frame = rest.get(..length)?.to_vec();
        self.at += 4 + length;
        Some(Piece::Frame(frame))
    }
}

/// Frames as one body.
pub(super) fn join(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(frames.iter().map(|frame| 4 + frame.len()).sum());
    for frame in frames {
        // What a browser says is far below 4 GiB.
        body.extend_from_slice(&u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes());
        body.extend_from_slice(frame);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> (Vec<u8>, Vec<Piece>) {
        let frames = [vec![7], (0..=255).collect(), vec![0, 0, 0, 0], vec![9; 70_000]];
        let mut bytes = join(&frames);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0x3a, 0x11]);
        let pieces = frames.into_iter().map(Piece::Frame).chain([Piece::End(4410)]);
        (bytes, pieces.collect())
    }

    #[track_caller]
    fn check(size: usize) {
        let (bytes, expected) = story();
        let mut cutter = Cutter::default();
        let mut pieces = Vec::new();
        for chunk in bytes.chunks(size) {
            cutter.push(chunk);
            while let Some(piece) = cutter.next() {
                let over = matches!(piece, Piece::End(_));
                pieces.push(piece);
                if over {
                    break;
                }
            }
        }
        assert_eq!(pieces, expected, "chunks of {size}");
    }

    #[test]
    fn chunks_may_begin_and_end_anywhere() {
        for size in [1, 2, 3, 4, 5, 6, 7, 259, 260, 261, 65_536, usize::MAX] {
            check(size);
        }
    }

    #[test]
    fn half_a_frame_is_none() {
        let mut cutter = Cutter::default();
        assert_eq!(cutter.next(), None);
        cutter.push(&[2, 0, 0, 0, 1]);
        assert_eq!(cutter.next(), None);
        cutter.push(&[2, 0, 0]);
        assert_eq!(cutter.next(), Some(Piece::Frame(vec![1, 2])));
        assert_eq!(cutter.next(), None);
        cutter.push(&[0, 0, 0x3a]);
        assert_eq!(cutter.next(), None);
        cutter.push(&[0x11]);
        assert_eq!(cutter.next(), Some(Piece::End(4410)));
    }
}
