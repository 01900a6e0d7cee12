//! Sockets: TLS, HTTP for the operator, limits of time and number. Refuses to know what mail bytes mean.

pub mod acme;
pub mod http;
pub mod metrics;
pub mod tls;
