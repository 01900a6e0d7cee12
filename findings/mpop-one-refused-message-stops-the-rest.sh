#!/usr/bin/env bash
# mpop 1.4.18: a message that the server cannot give stops all mail behind it, in every run.
#
# Guess:   a client that meets -ERR to one RETR notes it and goes on; RFC 1939 §5 leaves the session in the
#          TRANSACTION state, and getmail6 6.18.11 does go on.
# Seen:    mpop ends the session with status 76. What came before is delivered; what is behind is not asked for,
#          now or ever, for the next run begins with the same message.
# Matters: a vault that finds one message damaged must say so for that one (-ERR, and an audit entry) and cannot
#          leave it out of the list without another lie. To users of mpop their mail then stops; somebody must be
#          told which message it is, and how to take it out of the maildrop.
#
# The server is a few lines of Python's standard library. Ends with 0 as described, 1 if it is otherwise, 2 if it
# cannot be run.

set -euo pipefail

readonly VERSION=1.4.18-1

main() {
    work=$(mktemp -d)
    trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$work"' EXIT
    debian "mpop=$VERSION" libgsasl18 libgssglue1 libntlm0 libidn12 libsecret-1-0 libglib2.0-0
    printf '%s\n' 'first' 'second refused' 'third' 'fourth' >"$work/maildrop"
    serve
    settings

    fetch
    local one=$status
    fetch
    local two=$status delivered
    delivered=$(subjects)
    asked=$(grep '^RETR' "$work/dialogue" | tr '\n' ' ')

    echo "mpop $VERSION, four messages, the second refused"
    echo "  guessed: first, third and fourth are delivered"
    echo "  seen:    delivered: $delivered; status $one, then $two; asked for: $asked"
    [[ $delivered == first ]] || changed "delivered: $delivered"
    [[ $one == 76 && $two == 76 ]] || changed "status $one, then $two"
    [[ $asked == 'RETR 1 RETR 2 RETR 2 ' ]] || changed "asked for $asked"
}

settings() {
    mkdir -p "$work"/mail/{cur,new,tmp}
    cat >"$work/mpoprc" <<END
account one
host 127.0.0.1
port $(<"$work/port")
user ann
password secret
auth user
tls off
keep on
uidls_file $work/uidls
delivery maildir $work/mail
END
    chmod 600 "$work/mpoprc"
}

fetch() {
    status=0
    HOME=$work LD_LIBRARY_PATH=$work/root/usr/lib/$(uname -m)-linux-gnu timeout 60 \
        "$work/root/usr/bin/mpop" -q -C "$work/mpoprc" one >>"$work/log" 2>&1 || status=$?
    grep -q 'loading shared libraries' "$work/log" && absent "$(<"$work/log")"
    return 0
}

subjects() {
    cat "$work"/mail/new/* | sed -n 's/^Subject: //p' | sort | paste -sd ' '
}

serve() {
    command -v python3 >/dev/null || absent "no python3"
    cat >"$work/pop3.py" <<'END'
import pathlib, socketserver, sys

folder = pathlib.Path(sys.argv[1])

class Session(socketserver.StreamRequestHandler):
    def handle(self):
        rows = [line.split() for line in (folder / "maildrop").read_text().splitlines()]
        self.say("+OK ready")
        for line in self.rfile:
            verb, *words = line.decode().split()
            with (folder / "dialogue").open("a") as dialogue:
                dialogue.write(" ".join([verb, *words]) + "\n")
            self.answer(verb.upper(), words, rows)
            if verb.upper() == "QUIT":
                return

    def answer(self, verb, words, rows):
        value = {"UIDL": lambda row: row[0], "LIST": lambda row: str(len(mail(row)))}.get(verb)
        if verb == "CAPA":
            self.say("+OK", "USER", "UIDL", "TOP", ".")
        elif verb == "STAT":
            self.say("+OK %d %d" % (len(rows), sum(len(mail(row)) for row in rows)))
        elif value and words:
            self.say("+OK %s %s" % (words[0], value(rows[int(words[0]) - 1])))
        elif value:
            self.say("+OK", *("%d %s" % (number, value(row)) for number, row in enumerate(rows, 1)), ".")
        elif verb in ("RETR", "TOP") and "refused" in rows[int(words[0]) - 1]:
            self.say("-ERR this message cannot be read")
        elif verb in ("RETR", "TOP"):
            self.say("+OK", mail(rows[int(words[0]) - 1]) + ".")
        else:
            self.say("+OK" if verb in ("USER", "PASS", "NOOP", "RSET", "DELE", "QUIT") else "-ERR unknown")

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

def mail(row):
    return ("From: ann@example.org\r\nTo: ben@example.org\r\nDate: Mon, 30 Nov 2026 09:00:00 +0000\r\n"
            "Subject: %s\r\nMessage-ID: <%s@example.org>\r\n\r\nOne line.\r\n" % (row[0], row[0]))

socketserver.ThreadingTCPServer.daemon_threads = True
with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
    (folder / "port.new").write_text(str(server.server_address[1]))
    (folder / "port.new").rename(folder / "port")
    server.serve_forever()
END
    python3 "$work/pop3.py" "$work" &
    server=$!
    for _ in {1..100}; do [[ -e $work/port ]] && return; sleep 0.1; done
    absent "the server did not start"
}

# Unpacks packages of Debian 12 into the folder, without installing them.
debian() {
    (cd "$work" && apt-get -qq download "$@" >/dev/null 2>&1) || absent "no such packages here: $*"
    local package
    for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
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
