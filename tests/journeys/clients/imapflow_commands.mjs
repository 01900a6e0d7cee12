// The npm package imapflow: what programs that show mail do with it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { ImapFlow } from "imapflow";

const place = JSON.parse(process.argv[2]);
const hidden = ["Kind regards", "4111 1111", "739 204", "results-5512", "VCALENDAR", "weekly.gazette"];

function client(port, secure) {
  return new ImapFlow({
    host: "localhost",
    port,
    secure,
    doSTARTTLS: !secure,
    auth: { user: place.login, pass: place.password },
    tls: { ca: readFileSync(place.ca) },
    qresync: true,
    logger: false,
  });
}

// A message from outside, by SMTP or LMTP.
async function deliver(subject) {
  const socket = connect(place.lmtp ?? place.smtp, "127.0.0.1");
  const content = `From: pen@elsewhere.example\r\nTo: ${place.address}\r\nSubject: ${subject}\r\n\r\none line\r\n.`;
  const hello = place.lmtp ? "LHLO client.example" : "EHLO client.example";
  const lines = [hello, "MAIL FROM:<pen@elsewhere.example>", `RCPT TO:<${place.address}>`, "DATA", content, "QUIT"];
  let said = "";
  for await (const octets of socket) {
    said += octets;
    if (/^\d{3} .*\r\n$/m.test(said)) {
      assert.match(said, /^[23]/, said);
      said = "";
      if (lines.length === 0) break;
      socket.write(lines.shift() + "\r\n");
    }
  }
  socket.destroy();
}

async function whole(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function doors() {
  const plain = client(place.imap, false);
  await plain.connect();
  assert.equal(plain.secureConnection, true);
  await plain.logout();
  const wrong = client(place.imaps, true);
  wrong.options.auth.pass = "wrong";
  await assert.rejects(wrong.connect(), (error) => error.authenticationFailed === true);
}

async function reading(imap) {
  const folders = await imap.list({ statusQuery: { messages: true, unseen: true } });
  for (const use of ["\\Inbox", "\\Sent", "\\Drafts", "\\Junk", "\\Trash", "\\Archive"]) {
    assert.ok(folders.some((folder) => folder.specialUse === use), use);
  }
  assert.equal(folders.find((folder) => folder.path === "INBOX").status.messages, 6);
  const inbox = await imap.mailboxOpen("INBOX");
  assert.equal(inbox.exists, 6);
  assert.ok(inbox.uidValidity > 0n && inbox.highestModseq > 0n);
  const messages = await imap.fetchAll("1:*", {
    uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true, size: true, source: true,
    headers: ["subject", "list-id"], threadId: true,
  });
  assert.equal(messages.length, 6);
  assert.equal(messages[0].envelope.subject, "Settlement in Lindqvist v. Northgate: our second offer");
  assert.equal(messages[0].envelope.from[0].address, "okafor@harbour-legal.example");
  assert.equal(messages[4].envelope.subject, "Café on Thursday?");
  for (const message of messages) {
    assert.equal(message.source.length, message.size);
    assert.ok(message.bodyStructure.type);
    const all = message.source.toString() + JSON.stringify(message.bodyStructure) + message.headers;
    if (place.masked !== false) for (const word of hidden) assert.ok(!all.includes(word), word);
  }
  const first = messages[0];
  const { content } = await imap.download(String(first.uid), undefined, { uid: true });
  assert.deepEqual(await whole(content), first.source);
  const part = first.bodyStructure.childNodes?.[0]?.part ?? "1";
  const text = await imap.download(String(first.uid), part, { uid: true });
  assert.match((await whole(text.content)).toString(), /prepared to pay/);
  assert.deepEqual(await imap.search({ body: "bollards" }), [6]);
  assert.deepEqual(await imap.search({ subject: "Café" }), [5]);
  if (place.masked !== false) for (const word of hidden) assert.deepEqual(await imap.search({ or: [{ body: word }, { header: { "list-id": word } }] }), []);
  return first.uid;
}

async function changing(imap, uid) {
  const range = String(uid);
  assert.ok(await imap.messageFlagsAdd(range, ["\\Flagged", "$Forwarded"], { uid: true }));
  assert.deepEqual(await imap.search({ flagged: true }, { uid: true }), [uid]);
  assert.ok(await imap.messageFlagsRemove(range, ["\\Flagged"], { uid: true }));
  assert.ok(await imap.messageFlagsSet(range, ["\\Seen"], { uid: true }));
  const copied = await imap.messageCopy(range, "Archive", { uid: true });
  assert.ok(copied.uidMap.has(uid));
  const moved = await imap.messageMove(range, "Archive", { uid: true });
  assert.ok(moved.uidMap.has(uid));
  assert.equal((await imap.search({ all: true })).length, 5);
  await imap.mailboxOpen("Archive");
  assert.ok(await imap.messageDelete(String(copied.uidMap.get(uid)), { uid: true }));
  await imap.messageMove("1:*", "INBOX");
  assert.equal((await imap.search({ all: true })).length, 0);
  await imap.mailboxCreate(["Cases", "Überblick"]);
  await imap.mailboxRename(["Cases", "Überblick"], ["Cases", "Old"]);
  await imap.mailboxDelete(["Cases", "Old"]);
  const draft = "From: alice@demo.example\r\nSubject: by imapflow\r\n\r\nof the package\r\n";
  const put = await imap.append("Drafts", draft, ["\\Draft"], new Date("2026-11-09T12:00:00Z"));
  assert.ok(put.uid > 0);
  await imap.mailboxOpen("Drafts", { readOnly: true });
  const kept = await imap.fetchOne(String(put.uid), { flags: true, internalDate: true }, { uid: true });
  assert.ok(kept.flags.has("\\Draft"));
  assert.equal(kept.internalDate.toISOString(), "2026-11-09T12:00:00.000Z");
  assert.equal((await imap.status("Drafts", { messages: true })).messages > 0, true);
  assert.ok(await imap.getQuota("INBOX") !== undefined);
}

async function idling(imap) {
  await imap.mailboxOpen("INBOX");
  const told = new Promise((resolve) => imap.once("exists", resolve));
  const idle = imap.idle();
  await deliver("ninth message");
  const { path, count, prevCount } = await told;
  assert.deepEqual({ path, count }, { path: "INBOX", count: prevCount + 1 });
  const flagged = new Promise((resolve) => imap.once("flags", resolve));
  const other = client(place.imaps, true);
  await other.connect();
  await other.mailboxOpen("INBOX");
  await other.messageFlagsAdd("1", ["\\Answered"]);
  assert.ok((await flagged).flags.has("\\Answered"));
  await other.logout();
  await imap.noop();
  await idle;
  assert.equal((await imap.search({ subject: "ninth" })).length, 1);
}

await doors();
const imap = client(place.imaps, true);
await imap.connect();
const uid = await reading(imap);
await changing(imap, uid);
await idling(imap);
await imap.logout();
console.log("imapflow is content");
// The client that was refused keeps a timer.
process.exit(0);
