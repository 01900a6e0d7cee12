#!/usr/bin/env bash
# mail-parser 0.11.9: the sender scan@[IPv6:2001:db8::1] is read as three empty groups and somebody named "1]".
#
# Guess:   one mailbox. RFC 5322 §3.4.1 has the domain literal, RFC 5321 §4.1.3 writes IPv6 so; a colon in brackets
#          does not begin a group.
# Seen:    each colon ends the name of a group: "scan@[IPv6", "2001" and "db8", without members, and one member named
#          "1]" without address. Between angle brackets the same address is read well, and so is scan@[192.0.2.1].
# Matters: devices without a name in the DNS write such senders, bare. A list or search finds none of their mail by
#          its sender; a mask that replaces addresses finds none to replace, while the text stands there. A second
#          reading that must agree with this one refuses the field, and is right to.
#
# Builds a small program in a temporary folder. Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.11.9

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build "mail-parser = \"=$VERSION\""

    echo "mail-parser $VERSION"
    echo "  guessed: one mailbox in each"
    sender 'scan@[192.0.2.1]' 'mailbox - <scan@[192.0.2.1]>'
    sender '<scan@[IPv6:2001:db8::1]>' 'mailbox - <scan@[IPv6:2001:db8::1]>'
    sender 'scan@[IPv6:2001:db8::1]' 'group scan@[IPv6; group 2001; group db8; mailbox 1] <->'
}

sender() {
    local seen
    seen=$("$work/target/debug/probe" "$1" | paste -sd ';' | sed 's/;/; /g')
    echo "  seen:    $seen for $1"
    [[ $seen == "$2" ]] || changed "it was $2"
}

program() {
    cat <<'END'
use mail_parser::{Addr, Address, MessageParser};

fn main() {
    let mail = format!("From: {}\r\nSubject: x\r\n\r\nOne line.\r\n", std::env::args().nth(1).unwrap());
    let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
    match message.from().unwrap() {
        Address::List(list) => list.iter().for_each(show),
        Address::Group(groups) => groups.iter().for_each(|group| {
            group.name.iter().for_each(|name| println!("group {name}"));
            group.addresses.iter().for_each(show);
        }),
    }
}

fn show(one: &Addr<'_>) {
    println!("mailbox {} <{}>", one.name.as_deref().unwrap_or("-"), one.address.as_deref().unwrap_or("-"));
}
END
}

# Builds the program with the given dependency, in the folder alone.
build() {
    local cargo home
    cargo=$(command -v cargo) || absent "no cargo"
    # rustup looks for its toolchains below HOME; they are where its cargo is.
    home=${cargo%/.cargo/bin/cargo}
    [[ ! -d $home/.rustup ]] || export RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup}
    mkdir -p "$work/src"
    program >"$work/src/main.rs"
    printf '%s\n' '[package]' 'name = "probe"' 'version = "0.0.0"' 'edition = "2021"' '[dependencies]' "$1" \
        >"$work/Cargo.toml"
    (cd "$work" && CARGO_HOME=$work/cargo CARGO_TARGET_DIR=$work/target cargo build -q -j1 >"$work/log" 2>&1) ||
        absent "it does not build: $(tail -n 3 "$work/log")"
}

changed() {
    echo "  CHANGED: $*" >&2
    exit 1
}

absent() {
    echo "cannot run: $*" >&2
    exit 2
}

main
