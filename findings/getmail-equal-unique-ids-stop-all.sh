#!/usr/bin/env bash
# getmail6 6.18.11: two copies of one message under one unique-id, and it fetches nothing at all.
#
# Guess:   the second copy is taken for known and left out, or is fetched too. RFC 1939 §7 allows a server to make
#          unique-ids from a hash of the message and says that clients should cope with identical copies that then
#          have the same one. mpop 1.4.18 and fetchmail 6.4.37 do: each fetches both.
# Seen:    getmail's POP3 retriever asks for no message, not for those with an id of their own either, as long as the
#          two copies are there: "does not uniquely identify messages".
# Matters: a vault that makes unique-ids from what a view shows meets this as soon as two sealed messages look the
#          same, which placeholders do. An id must be made from what tells messages apart: the row, not the content.
#
# The server is a few lines of Python's standard library. Ends with 0 as described, 1 if it is otherwise, 2 if it
# cannot be run.

set -euo pipefail

readonly VERSION=6.18.11-2

main() {
    work=$(mktemp -d)
    trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$work"' EXIT
    debian "getmail6=$VERSION"
    printf '%s\n' hash-of-copies hash-of-copies another >"$work/maildrop"
    serve
    settings

    fetch
    local asked
    asked=$(grep -c '^RETR' "$work/dialogue" || :)
    echo "getmail6 $VERSION, three messages, two of them copies with one unique-id"
    echo "  guessed: two or three messages are fetched"
    echo "  seen:    $asked asked for; $(grep -o 'does not uniquely identify messages' "$work/log" || :)"
    [[ $asked == 0 ]] || changed "$asked messages were asked for"
    grep -q 'does not uniquely identify messages' "$work/log" || changed "$(tail -n 3 "$work/log")"

    printf '%s\n' hash-of-copies another >"$work/maildrop"
    fetch
    asked=$(grep -c '^RETR' "$work/dialogue" || :)
    echo "           without the copy: $asked asked for"
    [[ $asked == 2 ]] || changed "without the copy $asked messages were asked for"
}

settings() {
    mkdir -p "$work/settings"
    cat >"$work/settings/getmailrc" <<END
[retriever]
type = SimplePOP3Retriever
server = 127.0.0.1
port = $(<"$work/port")
username = ann
password = secret

[destination]
type = MDA_external
path = $(command -v tee)
arguments = ("-a", "$work/delivered")
allow_root_commands = true

[options]
read_all = false
delete = false
END
}

fetch() {
    : >"$work/dialogue"
    HOME=$work PYTHONPATH=$work/root/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1 timeout 60 \
        python3 "$work/root/usr/bin/getmail" --getmaildir "$work/settings" >"$work/log" 2>&1 || :
    grep -q 'No module named' "$work/log" && absent "$(tail -n 1 "$work/log")"
    return 0
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
