//! Journeys: mail in by SMTP and LMTP, out by IMAPS and POP3S, read by its owner, administered by the command
//! line. All against the program itself over real sockets; a module for each thing people do.

mod addresses;
mod administration;
mod browser;
mod clients;
mod corpus;
mod dashboard_admin;
mod dashboard_api;
mod dashboard_audit;
mod dashboard_folders;
mod dashboard_locks;
mod dashboard_passkeys;
mod dashboard_security;
mod dashboard_views;
mod dashboard_walk;
mod first_steps;
mod imap;
mod imap_across;
mod imap_clients;
mod imap_mirrors;
mod imap_own;
mod imap_sync;
mod lmtp;
mod mail_folder;
mod packages;
mod people;
mod pop3;
mod postfix;
mod promise;
mod search;
mod semantics;
mod smtp;
mod stranger;
mod support;
mod terminal;
mod whereabouts;
