//! Listeners, routes, headers, embedded files.

pub mod assets;
pub mod cert;
pub mod headers;
pub mod origin;
pub mod protocols;
pub mod proxies;
pub mod refusal;
pub mod router;
pub mod signin;
pub mod tls;

pub use router::{Config, Parts, router};
