#!/usr/bin/env bash
# fetchmail 6.4.37: it fetches whole messages by TOP, and says RETR only with "fetchall".
#
# Guess:   TOP is for previews (RFC 1939 §7: the header and the first n lines), RETR for reading; so the two can be
#          told apart in a log.
# Seen:    "TOP n 99999999" for every message and no RETR, whether it keeps or deletes them afterwards. With "fetchall"
#          it is RETR, of the same messages.
# Matters: a vault writes down which device has read what. An audit that calls TOP a glance at the header misses
#          every message that a fetchmail of this kind has taken home; one that does not limit n to what is there
#          may reserve room for it. What counts is how much of the text was sent, not by which command.
#
# The server is a few lines of Python's standard library. Ends with 0 as described, 1 if it is otherwise, 2 if it
# cannot be run.

set -euo pipefail

readonly VERSION=6.4.37-1

main() {
    work=$(mktemp -d)
    trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$work"' EXIT
    debian "fetchmail=$VERSION"
    printf '%s\n' first second >"$work/maildrop"
    serve

    local kept taken all
    kept=$(fetch keep)
    taken=$(fetch nokeep)
    all=$(fetch fetchall)
    echo "fetchmail $VERSION, two messages"
    echo "  guessed: RETR 1 RETR 2, kept or deleted"
    echo "  seen:    kept: $kept; deleted: $taken; fetchall: $all"
    [[ $(grep -c '^One line' "$work/delivered") == 6 ]] || changed "not every message was delivered whole"
    [[ $kept == 'TOP 1 99999999 TOP 2 99999999' ]] || changed "kept: $kept"
    [[ $taken == "$kept" ]] || changed "deleted: $taken"
    [[ $all == 'RETR 1 RETR 2' ]] || changed "fetchall: $all"
}

# What was asked for.
fetch() {
    : >"$work/dialogue"
    cat >"$work/fetchmailrc" <<END
poll 127.0.0.1 protocol POP3 service $(<"$work/port") uidl
    user "ann" password "secret" sslproto "" $1 mda "cat >>$work/delivered"
END
    chmod 600 "$work/fetchmailrc"
    HOME=$work FETCHMAILHOME=$work timeout 60 "$work/root/usr/bin/fetchmail" -f "$work/fetchmailrc" -i "$work/$1.ids" \
        --pidfile "$work/pid" >"$work/log" 2>&1 || changed "fetchmail failed: $(tail -n 2 "$work/log")"
    grep -E '^(TOP|RETR)' "$work/dialogue" | paste -sd ' '
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
