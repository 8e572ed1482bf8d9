//! Listeners, routes, headers, embedded files.

pub mod cert;
pub mod tls;
