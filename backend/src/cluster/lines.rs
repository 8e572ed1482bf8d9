//! A watch's body as lines, with an end to patience: silence longer than allowed means that nobody is there any more.

use http_body_util::BodyExt as _;
use kube::client::Body;
use std::time::Duration;
use tokio::time::timeout;

/// A line longer than this is no object: etcd takes 1.5 MiB.
const LONGEST: usize = 32 << 20;

#[derive(Debug)]
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were handed out.
    used: usize,
    /// Bytes of `buffer` known to hold no further line feed.
    searched: usize,
    silence: Duration,
}

/// Why there is no further line.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Usual when a server or a balancer restarts.
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + std::marker::Sync>),
    /// The other side is gone without a word: a half-open connection.
    #[error("nothing was heard for {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("a line is longer than {LONGEST} bytes")]
    TooLong,
}

impl Lines {
    pub(super) fn new(body: Body, silence: Duration) -> Self {
        Self { body, buffer: Vec::new(), used: 0, searched: 0, silence }
    }

    /// The next line without its end; `None` when the server ended the body. A last line without an end is half an
    /// event and is dropped: the next watch brings it whole.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, BodyError> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unsearched) {
                let (start, end) = (self.used, self.searched + at);
                self.used = end + 1;
                self.searched = self.used;
                return Ok(self.buffer.get(start..end));
            }
            self.buffer.drain(..self.used);
            self.used = 0;
            self.searched = self.buffer.len();
            if self.searched > LONGEST {
                return Err(BodyError::TooLong);
            }
            match frame(&mut self.body, self.silence).await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

/// A whole body; the deadline is per progress, not per body, so that a long list over a thin line still comes in.
pub(super) async fn whole(mut body: Body, silence: Duration) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    while let Some(bytes) = frame(&mut body, silence).await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

async fn frame(body: &mut Body, silence: Duration) -> Result<Option<bytes::Bytes>, BodyError> {
    loop {
        match timeout(silence, body.frame()).await {
            Err(_) => return Err(BodyError::Silent(silence)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error.into())),
            // Trailers say nothing we need.
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
