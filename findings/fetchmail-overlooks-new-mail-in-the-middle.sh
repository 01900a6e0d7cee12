#!/usr/bin/env bash
# fetchmail 6.4.37 as a daemon: three polls of four say "all seen" though a message is new, if it is not the last one.
#
# Guess:   a client that keeps unique-ids compares the list with them in each session; new is what it does not know.
#          RFC 1939 does not say that new messages stand behind old ones.
# Seen:    while it runs, it lists all ids in every fourth poll only. In the others it asks for some ids one by one,
#          as in a binary search for the border between old and new, says that all messages are seen, counting the
#          new one, and fetches nothing.
# Matters: mail that is moved back into the inbox by another client, restored, or sealed for a view later belongs by
#          its date between old messages. A server that sorts by date delays it by up to four polls, and to its owner
#          it looks lost. New for a view must mean last in its list.
#
# The server is a few lines of Python's standard library. Ends with 0 as described, 1 if it is otherwise, 2 if it
# cannot be run.

set -euo pipefail

readonly VERSION=6.4.37-1

main() {
    work=$(mktemp -d)
    trap 'kill "${client:-}" "${server:-}" 2>/dev/null || :; rm -rf "$work"' EXIT
    debian "fetchmail=$VERSION"
    : >"$work/dialogue"
    seq -f 'old-%02g' 20 >"$work/maildrop"
    serve
    watch

    await 1
    sed '3a new-one' "$work/maildrop" >"$work/maildrop.new"
    mv "$work/maildrop.new" "$work/maildrop"
    await 5

    local seen listed fetched
    seen=$(sed -n '/^21 messages/s/ for .*//p' "$work/log" | head -n 4 | paste -sd ';')
    listed=$(polls '^UIDL$')
    fetched=$(polls '^(TOP|RETR) 4 ' | cut -d' ' -f2)
    echo "fetchmail $VERSION, 20 messages; after the first poll another comes, as the fourth of 21"
    echo "  guessed: fetched in poll 2"
    echo "  seen:    fetched in poll ${fetched:-none}; whole list of ids in polls $listed; polls 2 to 5 said: $seen"
    [[ $fetched == 5 ]] || changed "fetched in poll ${fetched:-none}"
    [[ $listed == '1 5' ]] || changed "whole list in polls $listed"
    [[ $seen == '21 messages (21 seen);21 messages (21 seen);21 messages (21 seen);21 messages (20 seen)' ]] ||
        changed "it said: $seen"
}

watch() {
    cat >"$work/fetchmailrc" <<END
poll 127.0.0.1 protocol POP3 service $(<"$work/port") uidl
    user "ann" password "secret" sslproto "" keep mda "cat >>$work/delivered"
END
    chmod 600 "$work/fetchmailrc"
    HOME=$work FETCHMAILHOME=$work "$work/root/usr/bin/fetchmail" -f "$work/fetchmailrc" -i "$work/ids" \
        --pidfile "$work/pid" --nodetach --nosyslog --daemon 1 >"$work/log" 2>&1 &
    client=$!
}

# Waits until so many polls have ended.
await() {
    for _ in {1..300}; do
        (($(grep -c '^QUIT' "$work/dialogue" 2>/dev/null || :) >= $1)) && return
        sleep 0.1
    done
    absent "poll $1 did not come: $(tail -n 1 "$work/log")"
}

# The first five polls in whose dialogue the pattern stands.
polls() {
    awk -v pattern="$1" 'BEGIN { poll = 1 } $0 ~ pattern && poll < 6 { print poll } /^QUIT/ { poll++ }' \
        "$work/dialogue" | uniq | paste -sd ' '
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
