//! Administration over a Unix socket: the calls ([`api`]), the server's side of the socket
//! ([`socket`]) and the command line's ([`client`]). What the calls do is in `server`.

pub mod api;
pub mod client;
pub mod figures;
pub mod found;
pub mod socket;
