#!/usr/bin/env bash
# calcard 0.3.14: a link in a calendar comes out with backslashes before its commas and semicolons.
#
# Guess:   what was read as a URI is written as one. RFC 5545 §3.3.13 says that this type has no escapes by backslash;
#          those of §3.3.11 are for TEXT alone.
# Seen:    https://maps.example/@52.5,13.4;z=9 is read as a URI and written as https://maps.example/@52.5\,13.4\;z=9, in
#          URL, ATTACH and CONFERENCE. The crate takes the backslashes away when it reads its own output, so that
#          a test of there and back finds nothing. In a vCard a link is written as it was, an inline image
#          (data:image/png;base64,...) is not.
# Matters: links of meetings and maps have commas and semicolons. An invitation that was taken apart, masked and written
#          again by this crate looks fine in the program that did it, and leads nowhere in everybody's calendar.
#
# Builds a small program in a temporary folder. Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.3.14

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build "calcard = { version = \"=$VERSION\", default-features = false }"

    local read written again
    calendar | "$work/target/debug/probe" >"$work/seen"
    read=$(grep '^read: ' "$work/seen")
    written=$(grep '^URL:' "$work/seen")
    again=$(grep '^again: ' "$work/seen")
    echo "calcard $VERSION; the calendar has $(calendar | grep '^URL:' | tr -d '\r')"
    echo "  guessed: it is written as it came"
    echo "  seen:    $read; written: $written; read $again"
    [[ $read == 'read: https://maps.example/@52.5,13.4;z=9' ]] || changed "$read"
    [[ $written == 'URL:https://maps.example/@52.5\,13.4\;z=9' ]] || changed "$written"
    [[ $again == 'again: https://maps.example/@52.5,13.4;z=9' ]] || changed "$again"
}

calendar() {
    printf '%s\r\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:-//example//EN BEGIN:VEVENT UID:1 DTSTAMP:20261130T090000Z \
        DTSTART:20261201T090000Z 'URL:https://maps.example/@52.5,13.4;z=9' END:VEVENT END:VCALENDAR
}

program() {
    cat <<'END'
use calcard::icalendar::{ICalendar, ICalendarProperty, ICalendarValue, Uri};

fn main() {
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let calendar = ICalendar::parse(&text).unwrap();
    println!("read: {}", link(&calendar));
    let written = calendar.to_string();
    print!("{}", written.replace('\r', ""));
    println!("again: {}", link(&ICalendar::parse(&written).unwrap()));
}

fn link(calendar: &ICalendar) -> String {
    let url = calendar.components[1].property(&ICalendarProperty::Url).unwrap();
    match url.values.first() {
        Some(ICalendarValue::Uri(Uri::Location(link))) => link.clone(),
        other => format!("{other:?}"),
    }
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
