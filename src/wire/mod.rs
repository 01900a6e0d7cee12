//! Protocols as typed values, to and from bytes. Knows no sockets, storage, tenants or keys.

pub mod smtp;
