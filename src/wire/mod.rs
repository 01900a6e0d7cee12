//! Mail protocols as typed values, to and from octets. Knows no sockets, no storage, no tenants, no keys.

pub mod pop3;
pub mod sasl;
