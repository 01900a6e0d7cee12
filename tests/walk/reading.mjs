// A working day: the masked list, the unlock, a message whole, its attachment, its conversation,
// search, and beside it what the mail client saw.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { find, unlock } from "./doors.mjs";

/** What the password alone shows. */
export async function masked(stage, page) {
  await page.goto("/mail");
  await page.getByText("You see what your password alone may show.").waitFor();
  assert.equal(await page.locator(".messages li").count(), stage.facts.newcomer.messages);
  await stage.look(page, "list-masked");
  await page.locator(".messages a", { hasText: "Settlement" }).last().click();
  await page.getByText("This is what your password alone shows.").waitFor();
  assert.ok(!(await page.content()).includes("85,000"), "the text is sealed");
  await stage.look(page, "message-masked");
}

/** From the masked message through the unlock to the whole one. */
export async function whole(stage, page, authenticator) {
  const here = new URL(page.url()).pathname;
  await page.getByRole("main").getByRole("link", { name: "Unlock" }).click();
  await stage.look(page, "unlock");
  await page.getByLabel("Code from your authenticator").fill("000000");
  await page.getByRole("main").getByRole("button", { name: "Unlock" }).click();
  await page.getByRole("alert").getByText("That code is wrong").waitFor();
  stage.quiet(page, "a wrong code", /403/);
  await unlock(page, authenticator, "To answer before the hearing");
  assert.equal(new URL(page.url()).pathname, here);
  await page.goto("/mail");
  await stage.look(page, "list");
  const left = await page.getByRole("timer").innerText();
  assert.match(left, /^(10:00|9:\d\d)$/);
  await page.waitForFunction((before) => document.querySelector(".clock").textContent !== before, left);
}

/** HTML in its frame, trackers left out, and an attachment that is what was sent. */
export async function letter(stage, page) {
  const { subject, words, file, content } = stage.facts.newcomer.letter;
  await page.goto(await find(page, subject));
  await page.getByRole("heading", { name: subject }).waitFor();
  await page.frameLocator("iframe[title='The message']").getByText(words).waitFor();
  await page.getByText("from outside are left out").waitFor();
  await stage.look(page, "message-html");
  await page.getByText("All header fields").click();
  await stage.examine(page, "header fields");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: file }).click(),
  ]);
  assert.equal(download.suggestedFilename(), file);
  assert.deepEqual(await readFile(await download.path()), Buffer.from(content, "base64"));
  stage.quiet(page, "a download");
}

/** An invitation is shown as one. */
export async function invitation(stage, page) {
  await page.goto(await find(page, "Café"));
  await page.locator(".invite").waitFor();
  await stage.look(page, "message-invitation");
}

/** A phrase is found as soon as the index has caught up; the hit leads to the message. */
export async function search(stage, page) {
  await page.goto("/search");
  await page.locator("[data-job]").waitFor({ state: "detached" });
  await stage.look(page, "search-empty");
  await ask(page, "nosuchword");
  await page.getByText("Nothing found").waitFor();
  await ask(page, '"second offer" from:okafor');
  await page.locator(".messages mark").first().waitFor();
  await stage.look(page, "search");
  await page.locator(".messages a", { hasText: "Settlement" }).first().click();
  await page.getByText("85,000 euros").waitFor();
}

/** The answer stands below the offer. */
export async function conversation(stage, page) {
  const others = page.getByRole("heading", { name: "Conversation" }).locator("..").locator("li");
  assert.equal(await others.count(), 2);
  await stage.look(page, "message");
}

/** Side by side, the words that the client never got. */
export async function sideBySide(stage, page) {
  await page.getByRole("link", { name: "What your mail client saw" }).click();
  const [all, seen] = [page.locator(".split .letter").first(), page.locator(".split .veiled")];
  await all.getByText("85,000 euros").waitFor();
  assert.ok(!(await seen.innerText()).includes("85,000"));
  await stage.look(page, "compare");
}

/** The page for paper opens the browser's print dialogue. */
export async function print(stage, page) {
  await page.evaluate(() => history.back());
  await page.getByRole("link", { name: "Print" }).waitFor();
  await page.context().addInitScript(() => (globalThis.print = () => (globalThis.printed = true)));
  await page.getByRole("link", { name: "Print" }).click();
  await page.waitForFunction(() => globalThis.printed);
  await stage.look(page, "print");
}

/** What is thrown away waits in the trash, and comes back. */
export async function trash(stage, page) {
  await page.goto(await find(page, "The week in five minutes"));
  await page.getByRole("button", { name: "Move to the trash" }).click();
  await page.getByText("Moved to the trash.").waitFor();
  await page.getByRole("link", { name: "Trash", exact: true }).click();
  await page.locator(".messages a").click();
  await page.getByRole("button", { name: "Back to the inbox" }).click();
  await page.getByText("Back in the inbox.").waitFor();
  await page.goto("/mail?folder=trash");
  await page.getByText("The trash is empty").waitFor();
  await stage.look(page, "trash-empty");
}

/** Into another folder and back; what was read whole is no longer marked as unread. */
export async function folders(stage, page) {
  const subject = "The week in five minutes";
  const row = page.locator(".messages li", { hasText: subject });
  await page.goto(await find(page, subject));
  await page.getByLabel("Folder", { exact: true }).selectOption({ label: "Junk" });
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.getByText("Moved to the folder that you chose.").waitFor();
  assert.equal(await row.count(), 0);
  await page.getByRole("link", { name: "Junk", exact: true }).click();
  await page.getByRole("heading", { name: "Junk" }).waitFor();
  assert.ok(!(await row.innerText()).includes("Unread"));
  await stage.look(page, "folder");
  await row.getByRole("link").click();
  await page.getByRole("button", { name: "Mark as unread" }).click();
  await page.getByText("Marked as unread.").waitFor();
  assert.ok((await row.innerText()).includes("Unread"));
  await page.getByRole("link", { name: "Junk 1 unread" }).waitFor();
  await row.getByRole("link").click();
  await page.getByLabel("Folder", { exact: true }).selectOption({ label: "Inbox" });
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.goto("/mail?folder=junk");
  await page.getByText("This folder is empty").waitFor();
}

/** What is not there is told calmly. */
export async function nowhere(stage, page) {
  await page.goto("/mail/999999");
  await page.getByRole("heading", { name: "There is no such message" }).waitFor();
  stage.quiet(page, "nowhere", /404/);
  await stage.look(page, "trouble");
}

async function ask(page, words) {
  await page.getByLabel("What you look for").fill(words);
  await page.getByRole("main").getByRole("button", { name: "Search" }).click();
}
