//! Sockets, TLS, timeouts and connection limits. Knows nothing of what the bytes mean.

pub mod lines;
pub mod listen;
pub mod stream;
