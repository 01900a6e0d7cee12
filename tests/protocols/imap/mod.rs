//! IMAP dialogues: every command in every state, two sessions on one mailbox, what goes wrong.

mod changes;
mod fake;
mod folders;
mod laws;
mod login;
mod stage;
mod states;
mod weather;
