//! POP3 over sockets and TLS: `src/gateway/pop3/` with a mailroom in memory.

mod clients;
mod fakes;
mod login;
mod mailbox;
mod stage;
mod weather;
