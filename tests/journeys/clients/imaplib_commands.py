"""Python's imaplib: one command after the other, with what each must answer."""

import imaplib
import re

from place import HIDDEN, PLACE, SHOWN, connect, deliver, same

# Not all that is spoken here was known to imaplib.
for name in ("ID", "ENABLE", "LIST", "STATUS", "GETQUOTA", "COMPRESS"):
    imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
imaplib.Commands["MOVE"] = ("SELECTED",)


def raw(imap, line, *, literal=None):
    """Sends a command as it is; its untagged responses as one text, and the tagged line."""
    tag = imap._new_tag()
    imap.send(tag + b" " + line.encode() + b"\r\n")
    said = b""
    while True:
        got = imap.readline()
        assert got, f"{line}: the connection ended after {said!r}"
        if got.startswith(b"+") and literal is not None:
            imap.send(literal + b"\r\n")
            continue
        if got.startswith(tag + b" "):
            return said, got[len(tag) + 1 :].strip().decode()
        said += got


def ok(imap, line, **more):
    said, end = raw(imap, line, **more)
    assert end.startswith("OK"), f"{line}: {end}"
    return said


def numbers(said, name=b"SEARCH"):
    found = re.search(rb"\* " + name + rb"([ 0-9]*)", said)
    return [int(number) for number in found[1].split()] if found else []


def before_login():
    imap = imaplib.IMAP4("localhost", PLACE["imap"], timeout=60)
    assert "LOGINDISABLED" in imap.capabilities and "STARTTLS" in imap.capabilities, imap.capabilities
    _, end = raw(imap, f'LOGIN {PLACE["login"]} {PLACE["password"]}')
    assert end.startswith("NO [PRIVACYREQUIRED]"), end
    from place import TRUST

    imap.starttls(ssl_context=TRUST)
    assert "LOGINDISABLED" not in imap.capabilities and "AUTH=PLAIN" in imap.capabilities, imap.capabilities
    imap.authenticate("PLAIN", lambda _: f"\0{PLACE['login']}\0{PLACE['password']}".encode())
    same(imap.state, "AUTH", "state")
    imap.logout()
    imap = imaplib.IMAP4_SSL("localhost", PLACE["imaps"], ssl_context=TRUST, timeout=60)
    try:
        imap.login(PLACE["login"], "wrong")
        raise AssertionError("a wrong password logs in")
    except imaplib.IMAP4.error as error:
        assert "AUTHENTICATIONFAILED" in str(error), error
    imap.logout()


def whole_account(imap):
    for word in "IDLE MOVE UIDPLUS CONDSTORE QRESYNC SORT ESEARCH SPECIAL-USE QUOTA".split():
        assert word in ok(imap, "CAPABILITY").decode().split(), word
    assert b"* ID (" in ok(imap, 'ID ("name" "journey")')
    assert b'(("" "/")) NIL NIL' in ok(imap, "NAMESPACE")
    assert b"* ENABLED CONDSTORE" in ok(imap, "ENABLE CONDSTORE")
    folders = ok(imap, 'LIST "" "*"')
    for name, use in [("Sent", "Sent"), ("Drafts", "Drafts"), ("Junk", "Junk"), ("Trash", "Trash"), ("Archive", "Archive")]:
        line = next(line for line in folders.splitlines() if line.replace(b'"', b"").endswith(b" " + name.encode()))
        assert b"\\" + use.encode() in line, line
    special = ok(imap, 'LIST (SPECIAL-USE) "" "*" RETURN (SPECIAL-USE)')
    assert b"\\Trash" in special and b"INBOX" not in special, special
    status = ok(imap, "STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ)")
    assert b"MESSAGES 6" in status and b"UNSEEN 6" in status and b"SIZE " in status, status
    assert b"* STATUS" in ok(imap, 'LIST "" "%" RETURN (STATUS (MESSAGES))')
    quota = ok(imap, "GETQUOTAROOT INBOX")
    same(quota.replace(b'"', b""), b"* QUOTAROOT INBOX\r\n", "no quota")
    for line in ("CREATE Cases", "CREATE Cases/Lindqvist", "SUBSCRIBE Cases/Lindqvist"):
        ok(imap, line)
    assert b"Cases/Lindqvist" in ok(imap, 'LSUB "" "Cases/*"')
    ok(imap, "UNSUBSCRIBE Cases/Lindqvist")
    ok(imap, "RENAME Cases/Lindqvist Cases/Northgate")
    assert b"Cases/Northgate" in ok(imap, 'LIST "" "Cases/%"')
    assert raw(imap, "DELETE Cases")[1].startswith("NO"), "a folder with others below it"
    ok(imap, "DELETE Cases/Northgate")
    ok(imap, "DELETE Cases")
    for name in ("INBOX", "Trash"):
        assert raw(imap, f"DELETE {name}")[1].startswith("NO"), name
    _, end = raw(imap, "SELECT Nowhere")
    assert end.startswith("NO"), end


def reading(imap):
    imap.select("INBOX")
    selected = ok(imap, "SELECT INBOX (CONDSTORE)")
    for part in (b"* 6 EXISTS", b"[UIDVALIDITY ", b"[UIDNEXT ", b"[HIGHESTMODSEQ ", b"PERMANENTFLAGS"):
        assert part in selected, (part, selected)
    listed = ok(imap, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    same(len(re.findall(rb"\* \d+ FETCH", listed)), 6, "messages listed")
    assert b"Settlement in Lindqvist v. Northgate: our second offer" in listed
    for word in HIDDEN:
        assert word.lower().encode() not in listed.lower(), word
    sizes = {int(n): int(size) for n, size in re.findall(rb"\* (\d+) FETCH \(.*?RFC822\.SIZE (\d+)", listed)}
    _, whole = imap.fetch("1:6", "(BODY.PEEK[])")
    octets = [item[1] for item in whole if isinstance(item, tuple)]
    same([len(message) for message in octets], [sizes[n] for n in range(1, 7)], "sizes")
    for word in HIDDEN:
        for message in octets:
            assert word.lower().encode() not in message.lower(), word
    first = octets[0]
    header, text = first.split(b"\r\n\r\n", 1)

    def section(item, number=1):
        _, answer = imap.fetch(str(number), item)
        return next((part[1] for part in answer if isinstance(part, tuple)), None)

    same(section("(BODY.PEEK[HEADER])"), header + b"\r\n\r\n", "header")
    same(section("(BODY.PEEK[TEXT])"), text, "text")
    same(section("(BODY.PEEK[]<10.20>)"), first[10:30], "a piece")
    same(section("(RFC822)"), first, "RFC822")
    same(section("(RFC822.HEADER)"), header + b"\r\n\r\n", "RFC822.HEADER")
    same(section("(RFC822.TEXT)"), text, "RFC822.TEXT")
    fields = section("(BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)])")
    assert b"Subject:" in fields and b"Date:" not in fields, fields
    others = section("(BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT FROM)])")
    assert b"Subject:" not in others and b"Date:" in others, others
    assert b"prepared to pay" in (section("(BODY.PEEK[1])") or b""), "part 1"
    assert re.search(rb'BODY\[9\] (NIL|""|\{0\})', ok(imap, "FETCH 1 (BODY.PEEK[9])")), "a part that is not there"
    assert b"prepared to pay" in (section("(BINARY.PEEK[1])") or b""), "binary"
    assert b"BINARY.SIZE[1] " in ok(imap, "FETCH 1 (BINARY.SIZE[1])")
    assert b"PREVIEW" in ok(imap, "FETCH 1:* (PREVIEW)")
    for macro in ("ALL", "FAST", "FULL"):
        same(ok(imap, f"FETCH 1:* {macro}").count(b"RFC822.SIZE"), 6, macro)
    if "OBJECTID" in imap.capabilities or b"OBJECTID" in ok(imap, "CAPABILITY"):
        same(len(set(re.findall(rb"EMAILID \(([^)]+)\)", ok(imap, "FETCH 1:* (EMAILID THREADID)")))), 6, "ids")
    assert raw(imap, "FETCH 99 FLAGS")[1].split()[0] in ("BAD", "NO", "OK")
    assert raw(imap, "FETCH 1 (NONSENSE)")[1].startswith("BAD")
    return sizes


def searching(imap, sizes):
    def find(keys):
        return numbers(ok(imap, f"SEARCH {keys}"))

    same(find("ALL"), [1, 2, 3, 4, 5, 6], "ALL")
    for word, number in SHOWN:
        if word.isascii():
            same(find(f'TEXT "{word}"'), [number], word)
            same(find(f'BODY "{word}"'), [number], word)
    found = ok(imap, "SEARCH CHARSET UTF-8 TEXT {5+}\r\ncafé")
    same(numbers(found), [5], "café")
    for word in HIDDEN:
        for key in ("TEXT", "BODY", "SUBJECT", "FROM", "HEADER List-Id", "HEADER X-Any"):
            same(find(f'{key} "{word}"'), [], f"{key} {word}")
        same(find(f'NOT TEXT "{word}"'), [1, 2, 3, 4, 5, 6], f"NOT {word}")
    same(find('HEADER List-Id ""'), [], "a field that is hidden")
    same(find('HEADER Message-ID ""'), [1, 2, 3, 4, 5, 6], "a field that is shown")
    same(find('FROM okafor'), [1], "FROM")
    same(find('TO alice'), [1, 2, 3, 4, 5, 6], "TO")
    same(find('CC alice'), [], "CC")
    same(find('BCC alice'), [], "BCC")
    same(find('SUBJECT "sign-in code"'), [3], "SUBJECT")
    same(find("SENTBEFORE 3-Nov-2026"), [1, 2], "SENTBEFORE")
    same(find("SENTON 3-Nov-2026"), [3, 4], "SENTON")
    same(find("SENTSINCE 4-Nov-2026"), [5, 6], "SENTSINCE")
    same(find("SINCE 1-Jan-2020"), [1, 2, 3, 4, 5, 6], "SINCE")
    same(find("BEFORE 1-Jan-2020"), [], "BEFORE")
    same(find("ON 1-Jan-2020"), [], "ON")
    same(find("2:3"), [2, 3], "a set")
    same(find("NOT 2:3"), [1, 4, 5, 6], "NOT")
    same(find("OR 1 (2 UID 1:*)"), [1, 2], "OR")
    same(find("KEYWORD $Nothing"), [], "KEYWORD")
    same(find("UNKEYWORD $Nothing"), [1, 2, 3, 4, 5, 6], "UNKEYWORD")
    for key in ("ANSWERED", "DELETED", "DRAFT", "FLAGGED"):
        same(find(key), [], key)
        same(find(f"UN{key}"), [1, 2, 3, 4, 5, 6], f"UN{key}")
    middle = sorted(sizes.values())[2]
    same(find(f"LARGER {middle}"), [n for n in sizes if sizes[n] > middle], "LARGER")
    same(find(f"SMALLER {middle}"), [n for n in sizes if sizes[n] < middle], "SMALLER")
    same(find("YOUNGER 3600"), [1, 2, 3, 4, 5, 6], "YOUNGER")
    same(find("OLDER 3600"), [], "OLDER")
    said = ok(imap, 'UID SEARCH RETURN (MIN MAX COUNT ALL) SUBJECT "o"')
    assert b"ESEARCH" in said and b"COUNT" in said, said
    ok(imap, 'SEARCH RETURN (SAVE) TEXT "bollards"')
    same(re.findall(rb"\* (\d+) FETCH", ok(imap, "FETCH $ (UID)")), [b"6"], "what was saved")
    assert raw(imap, 'SEARCH CHARSET KLINGON TEXT "x"')[1].startswith("NO [BADCHARSET")
    by_subject = numbers(ok(imap, "SORT (SUBJECT) UTF-8 ALL"), b"SORT")
    same(by_subject, [2, 5, 1, 6, 4, 3], "SORT by subject")
    same(numbers(ok(imap, "SORT (REVERSE SIZE) UTF-8 ALL"), b"SORT"), sorted(sizes, key=lambda n: (-sizes[n], n)), "SORT by size")
    same(numbers(ok(imap, "SORT (DATE) UTF-8 ALL"), b"SORT"), [1, 2, 3, 4, 5, 6], "SORT by date")
    same(numbers(ok(imap, "SORT (REVERSE DATE) UTF-8 ALL"), b"SORT"), [6, 5, 4, 3, 2, 1], "SORT by date")
    for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
        if f"THREAD={algorithm}".encode() in ok(imap, "CAPABILITY"):
            assert ok(imap, f"THREAD {algorithm} UTF-8 ALL").startswith(b"* THREAD (1)(2)(3)"), algorithm


def changing(imap):
    said = ok(imap, "STORE 1 +FLAGS (\\Flagged $Forwarded)")
    assert b"\\Flagged" in said and b"$Forwarded" in said and b"MODSEQ" in said, said
    # RFC 7162 §3.1.3: whoever knows of mod-sequences is told the new one all the same.
    assert b"MODSEQ (" in ok(imap, "STORE 1 +FLAGS.SILENT (\\Answered)")
    other = connect()
    other.select("INBOX")
    same(ok(other, "STORE 6 +FLAGS.SILENT (\\Answered)"), b"", "silent")
    ok(other, "STORE 6 -FLAGS.SILENT (\\Answered)")
    other.logout()
    ok(imap, "NOOP")
    same(numbers(ok(imap, "SEARCH KEYWORD $Forwarded FLAGGED ANSWERED")), [1], "flags")
    ok(imap, "STORE 1 -FLAGS (\\Answered)")
    assert b"\\Seen" in ok(imap, "STORE 2 FLAGS (\\Seen)")
    same(numbers(ok(imap, "SEARCH UNSEEN")), [3, 4, 5, 6], "unseen")
    modified = ok(imap, "FETCH 1:* (FLAGS) (CHANGEDSINCE 1)")
    assert b"MODSEQ (" in modified, modified
    _, end = raw(imap, "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Deleted)")
    assert "[MODIFIED 1]" in end, end
    assert b"\\Deleted" not in ok(imap, "FETCH 1 FLAGS")
    ok(imap, "CREATE Work")
    _, end = raw(imap, "COPY 1:2 Work")
    assert end.startswith("OK [COPYUID "), end
    assert b"MESSAGES 2" in ok(imap, "STATUS Work (MESSAGES)")
    _, end = raw(imap, "COPY 1 Nowhere")
    assert end.startswith("NO [TRYCREATE]"), end
    said, end = raw(imap, "MOVE 2 Archive")
    assert b"COPYUID" in said + end.encode(), (said, end)
    assert b"* 2 EXPUNGE" in said, said
    same(len(numbers(ok(imap, "SEARCH ALL"))), 5, "after the move")
    ok(imap, "SELECT Archive")
    said, _ = raw(imap, "UID MOVE 1:* INBOX")
    assert b"* 1 EXPUNGE" in said, said
    ok(imap, "SELECT Work")
    ok(imap, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
    uid = re.search(rb"UID (\d+)", ok(imap, "FETCH 1 UID"))[1].decode()
    assert ok(imap, f"UID EXPUNGE {uid}").count(b"EXPUNGE") == 1
    assert ok(imap, "EXPUNGE").count(b"EXPUNGE") == 1
    ok(imap, "CLOSE")
    ok(imap, "DELETE Work")


def uploading(imap):
    draft = b"From: alice@demo.example\r\nTo: okafor@harbour-legal.example\r\nSubject: a draft of mine\r\nDate: Mon, 09 Nov 2026 12:00:00 +0000\r\n\r\nwords of a draft\r\n"
    tag, end = raw(imap, f'APPEND Drafts (\\Draft \\Seen) "09-Nov-2026 12:00:00 +0000" {{{len(draft)}}}', literal=draft)
    assert end.startswith("OK [APPENDUID "), end
    tag, end = raw(imap, f"APPEND Drafts () {{{len(draft)}+}}\r\n" + draft.decode())
    assert end.startswith("OK [APPENDUID "), end
    _, end = raw(imap, f"APPEND Nowhere {{{len(draft)}+}}\r\n" + draft.decode())
    assert end.startswith("NO [TRYCREATE]"), end
    ok(imap, "EXAMINE Drafts")
    fetched = ok(imap, "FETCH 1 (FLAGS INTERNALDATE ENVELOPE)")
    assert b"\\Draft" in fetched and re.search(rb"[ 0]9-Nov-2026 12:00:00 \+0000", fetched) and b"a draft of mine" in fetched, fetched
    same(numbers(ok(imap, 'SEARCH BODY "words of a draft"')), [1, 2], "the draft's words")
    assert raw(imap, "STORE 1 +FLAGS (\\Deleted)")[1].startswith("NO"), "EXAMINE is for reading"
    ok(imap, "UNSELECT")
    same(raw(imap, "FETCH 1 FLAGS")[1].split()[0], "BAD", "no folder is open")


def idling(imap):
    ok(imap, "SELECT INBOX")
    before = len(numbers(ok(imap, "SEARCH ALL")))
    tag = imap._new_tag()
    imap.send(tag + b" IDLE\r\n")
    assert imap.readline().startswith(b"+")
    deliver("seventh message", "told while idle\r\n")
    line = imap.readline()
    while b"EXISTS" not in line:
        line = imap.readline()
    same(line.strip(), f"* {before + 1} EXISTS".encode(), "IDLE")
    other = connect()
    other.select("INBOX")
    other.store("1", "+FLAGS", "\\Answered")
    line = imap.readline()
    while b"FETCH" not in line:
        line = imap.readline()
    assert line.startswith(b"* 1 FETCH") and b"\\Answered" in line, line
    other.store("1", "-FLAGS", "\\Answered")
    other.logout()
    imap.send(b"DONE\r\n")
    while not line.startswith(tag):
        line = imap.readline()
    assert b"OK" in line, line
    same(numbers(ok(imap, "SEARCH SUBJECT seventh")), [before + 1], "the new message")


def resynchronising(imap):
    ok(imap, "UNSELECT")
    ok(imap, "ENABLE QRESYNC")
    selected = ok(imap, "SELECT INBOX")
    validity = re.search(rb"UIDVALIDITY (\d+)", selected)[1].decode()
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", selected)[1].decode()
    uids = [int(uid) for uid in re.findall(rb"UID (\d+)", ok(imap, "FETCH 1:* (UID)"))]
    other = connect()
    other.select("INBOX")
    other.uid("STORE", str(uids[0]), "+FLAGS", "$Later")
    other.uid("STORE", str(uids[-1]), "+FLAGS", "\\Deleted")
    other.expunge()
    other.logout()
    ok(imap, "UNSELECT")
    said = ok(imap, f"SELECT INBOX (QRESYNC ({validity} {modseq} {uids[0]}:{uids[-1]}))")
    assert f"VANISHED (EARLIER) {uids[-1]}".encode() in said, said
    changed = re.findall(rb"\* \d+ FETCH \(.*?UID (\d+)", said)
    same(changed, [str(uids[0]).encode()], "what changed")


def main():
    before_login()
    imap = connect()
    whole_account(imap)
    sizes = reading(imap)
    searching(imap, sizes)
    changing(imap)
    uploading(imap)
    idling(imap)
    resynchronising(imap)
    same(imap.logout()[0], "BYE", "the farewell")
    print("imaplib is content")


if __name__ == "__main__":
    main()
