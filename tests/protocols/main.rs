//! Dialogues with the servers over real sockets, one module per protocol.

mod smtp;
mod smtp_world;
