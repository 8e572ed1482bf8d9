//! The accept loop of every listener: TLS by rustls or plain, HTTP/1.1 and HTTP/2, handshakes outside `accept`.

use std::net::SocketAddr;
use std::sync::Arc;

/// Put into every request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whether the connection is TLS on our own listener.
    pub tls: bool,
    /// The client's certificate chain as it presented it, possession proven, chain NOT verified; empty without one.
    pub certificates: Arc<[rustls_pki_types::CertificateDer<'static>]>,
}
