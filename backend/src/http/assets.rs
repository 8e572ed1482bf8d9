//! The built frontend, inside the binary: hashed files cached for ever, `index.html` never.
//!
//! Files come with their `.br` and `.gz` siblings, made at build time. `index.html` is sent as it is: its `<base>`
//! differs by depth, and kube-apiserver answers 500 to brotli HTML.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, VARY,
};
use http::{HeaderValue, StatusCode};
use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

static DIST: Dir<'static> = include_dir!("$TAFFRAIL_DIST");
const BASE: &str = r#"<base href="./">"#;

/// Why files are no frontend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetsError {
    /// No `index.html`, or not text.
    #[error("index.html is missing")]
    NoIndex,
    /// Without it no address below the first page could find its files.
    #[error("index.html has no {BASE}")]
    NoBase,
}

/// All files, looked up by path.
#[derive(Debug)]
pub struct Assets {
    /// Before and after the base's `href`.
    index: (String, String),
    files: HashMap<String, File>,
}

#[derive(Clone, Debug)]
struct File {
    bytes: Bytes,
    tag: HeaderValue,
}

// === impl Assets ===

impl Assets {
    /// What the build embedded.
    ///
    /// # Errors
    /// [`AssetsError`] when it embedded something else than a frontend.
    pub fn embedded() -> Result<Self, AssetsError> {
        let mut files = Vec::new();
        collect(&DIST, &mut files);
        Self::new(files)
    }

    /// From paths and contents.
    ///
    /// # Errors
    /// [`AssetsError`].
    pub fn new(files: impl IntoIterator<Item = (String, Bytes)>) -> Result<Self, AssetsError> {
        let files: HashMap<String, File> =
            files.into_iter().filter_map(|(path, bytes)| Some((path, File { tag: tag(&bytes)?, bytes }))).collect();
        let index = files.get("index.html").ok_or(AssetsError::NoIndex)?;
        let index = std::str::from_utf8(&index.bytes).map_err(|_| AssetsError::NoIndex)?;
        let (before, after) = index.split_once(BASE).ok_or(AssetsError::NoBase)?;
        let index = (before.into(), after.into());
        Ok(Self { index, files })
    }

    /// The page for a path of so many segments.
    pub fn page(&self, depth: usize) -> Response {
        let (before, after) = &self.index;
        let up = if depth <= 1 { "./".into() } else { "../".repeat(depth - 1) };
        let mut response = Response::new(Body::from(format!(r#"{before}<base href="{up}">{after}"#)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response
    }

    /// A file, in the best encoding the browser takes; `None` when there is no such file.
    pub fn file(&self, path: &str, request: &HeaderMap) -> Option<Response> {
        if path == "index.html" {
            return None;
        }
        let plain = self.files.get(path)?;
        let (encoding, file) = ["br", "gzip"]
            .into_iter()
            .filter(|encoding| accepts(request, encoding))
            .find_map(|encoding| {
                let sibling = if encoding == "br" { "br" } else { "gz" };
                Some((Some(encoding), self.files.get(&format!("{path}.{sibling}"))?))
            })
            .unwrap_or((None, plain));
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, file.tag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        let cached = if path.starts_with("a/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
        if matches(request, &file.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Some(response);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(path)));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        *response.body_mut() = Body::from(file.bytes.clone());
        Some(response)
    }
}

fn collect(dir: &Dir<'static>, files: &mut Vec<(String, Bytes)>) {
    for file in dir.files() {
        if let Some(path) = file.path().to_str() {
            files.push((path.into(), Bytes::from_static(file.contents())));
        }
    }
    for inner in dir.dirs() {
        collect(inner, files);
    }
}

fn tag(bytes: &[u8]) -> Option<HeaderValue> {
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    HeaderValue::try_from(format!("\"{hex}\"")).ok()
}

/// `q=0` is a refusal; other weights do not matter, smaller is better for everybody.
fn accepts(request: &HeaderMap, encoding: &str) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused =
            parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        named && !refused
    })
}

fn matches(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let ours = tag.to_str().unwrap_or_default();
    let values = request.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|value| value.trim().trim_start_matches("W/"))
        .any(|value| value == ours)
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
