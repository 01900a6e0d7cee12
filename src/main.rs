//! The `veilpost` program.

fn main() {}
