//! Dialogues with the servers over real sockets, a module for each protocol.

mod pop3;
//! Dialogues with the servers over real sockets, one module per protocol.
