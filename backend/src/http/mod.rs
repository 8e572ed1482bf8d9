//! Listeners, routes, headers, embedded files.

pub mod tls;
