#!/usr/bin/env bash
# mail-builder 1.0.0: a message that is attached as message/rfc822 is sent in base64, and readers see no message in it.
#
# Guess:   the crate knows this type, or leaves the octets alone: RFC 2046 §5.2.1 allows 7bit, 8bit and binary for
#          message/rfc822 and nothing else (§6.4 of RFC 2045 says why).
# Seen:    attachment("message/rfc822", name, octets) is written with Content-Transfer-Encoding: base64, though the
#          octets are short lines of ASCII. Python's reader, which does not expect an encoding there, gives a message
#          without Subject whose text is base64. The same octets as raw contents are read well.
# Matters: to forward a message as it is, or to compose a view of one that holds another, is what a vault does. Tests
#          that parse with the sister crate mail-parser pass, for it undoes the encoding. Write these parts by hand.
#
# Builds a small program in a temporary folder. Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=1.0.0

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    command -v python3 >/dev/null || absent "no python3"
    build "mail-builder = { version = \"=$VERSION\", default-features = false }"

    local attached raw
    "$work/target/debug/probe" attachment >"$work/attached"
    "$work/target/debug/probe" raw >"$work/raw"
    attached=$(inner "$work/attached")
    raw=$(inner "$work/raw")
    echo "mail-builder $VERSION, an attached message with the subject \"inner\""
    echo "  guessed: subject: inner; encoding: None"
    echo "  seen:    $attached"
    echo "           as raw contents: $raw"
    [[ $attached == 'subject: None; encoding: base64' ]] || changed "$attached"
    [[ $raw == 'subject: inner; encoding: None' ]] || changed "as raw contents: $raw"
}

# What Python reads of the message inside.
inner() {
    python3 - "$1" <<'END'
import email, sys

with open(sys.argv[1], "rb") as mail:
    part = next(part for part in email.message_from_binary_file(mail).walk()
                if part.get_content_type() == "message/rfc822")
print("subject: %s; encoding: %s" % (part.get_payload(0)["Subject"], part["Content-Transfer-Encoding"]))
END
}

program() {
    cat <<'END'
use mail_builder::MessageBuilder;
use mail_builder::mime::{BodyPart, MimePart};

fn main() {
    let inner = b"From: ann@example.org\r\nSubject: inner\r\n\r\nOne line.\r\n".as_slice();
    let outer = MessageBuilder::new().from("ben@example.org").to("cy@example.org").date(1796029200_i64);
    let whole = match std::env::args().nth(1).as_deref() {
        Some("attachment") => outer.text_body("See below.").attachment("message/rfc822", "inner.eml", inner),
        _ => {
            let raw = [b"Content-Type: message/rfc822\r\n\r\n".as_slice(), inner].concat();
            let parts = vec![MimePart::new("text/plain", "See below."), MimePart::raw(BodyPart::from(raw))];
            outer.body(MimePart::new("multipart/mixed", parts))
        }
    };
    whole.write_to(std::io::stdout()).unwrap();
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
