//! Sockets, TLS, timeouts and connection limits. Knows nothing of what the bytes mean.

pub mod lines;
pub mod listen;
pub mod stream;
//! Sockets: TLS, HTTP for the operator, limits of time and number. Refuses to know what mail bytes mean.

pub mod acme;
pub mod http;
pub mod metrics;
pub mod tls;
