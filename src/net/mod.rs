//! Sockets, TLS, HTTP for operators, timeouts and connection limits. Knows nothing of what mail
//! bytes mean.

pub mod acme;
pub mod budget;
pub mod deflate;
pub mod http;
pub mod lines;
pub mod listen;
pub mod metrics;
pub mod stream;
pub mod tls;
pub mod web;
