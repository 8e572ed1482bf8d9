//! A page's bytes, within bounds: what a confused kubelet sends can't fill our memory.

use crate::kubelet::failure::Failure;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::io;
use std::io::Write;

/// Of an error's body: enough for the kubelet's sentence.
const ERROR_TEXT: usize = 1024;
/// Pages gzip 8 to 1; what grows more than this is no page.
const GZIP_RATIO: usize = 200;
/// Below this size the ratio says nothing.
const GZIP_SLACK: usize = 1 << 20;

/// A body that is taken in piece by piece and never grows beyond its bounds.
pub(super) enum Page {
    Plain(Bounded),
    Gzip(Box<flate2::write::GzDecoder<Bounded>>),
}

pub(super) struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    /// Raised with every compressed byte.
    allowed: usize,
    over: bool,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.limit.min(self.allowed) {
            self.over = true;
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "over the bound"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    pub(super) fn new(gzip: bool, limit: usize) -> Self {
        let allowed = if gzip { GZIP_SLACK } else { usize::MAX };
        let bounded = Bounded { bytes: Vec::new(), limit, allowed, over: false };
        if gzip { Self::Gzip(Box::new(flate2::write::GzDecoder::new(bounded))) } else { Self::Plain(bounded) }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Plain(bounded) => bounded.write_all(data).map_err(|error| bounded.failure(&error)),
            Self::Gzip(gzip) => {
                let bounded = gzip.get_mut();
                bounded.allowed = bounded.allowed.saturating_add(data.len().saturating_mul(GZIP_RATIO));
                gzip.write_all(data).map_err(|error| gzip.get_ref().failure(&error))
            }
        }
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes),
            Self::Gzip(mut gzip) => {
                gzip.try_finish().map_err(|error| gzip.get_ref().failure(&error))?;
                Ok(std::mem::take(&mut gzip.get_mut().bytes))
            }
        }
    }
}

impl Bounded {
    fn failure(&self, error: &io::Error) -> Failure {
        if self.over { Failure::TooLarge(self.limit) } else { Failure::BadBody(format!("not gzip: {error}")) }
    }
}

pub(super) async fn error_text(mut body: Incoming) -> String {
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() >= ERROR_TEXT {
            text.truncate(ERROR_TEXT);
            break;
        }
    }
    String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}
