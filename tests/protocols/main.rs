//! Dialogues with the servers over real sockets, a module for each protocol.

mod imap;
mod imap_law;
mod imap_structure;
mod imap_twins;
mod pop3;
mod smtp;
mod smtp_world;
