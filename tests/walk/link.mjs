// The link in a placeholder, out of a mail client that fetched it by POP3: through sign-in and unlock
// to this message and no other.

import assert from "node:assert/strict";
import { lock, signIn, unlock } from "./doors.mjs";
import { retrieve } from "./pop3.mjs";
import { linkIn } from "./views.mjs";

export async function link(stage, page, authenticator) {
  const { login, password, device } = stage.facts.reader;
  const message = await retrieve(stage.facts, device, 1);
  const url = linkIn(message);
  assert.ok(!message.includes("85,000"));
  await page.goto(url);
  assert.match(page.url(), /\/sign-in\?to=/);
  await signIn(page, login, password);
  await page.getByRole("heading", { name: "Unlock your mail" }).waitFor();
  await page.getByLabel("Code from your authenticator").fill(await authenticator.code());
  await page.getByRole("main").getByRole("button", { name: "Unlock" }).click();
  await page.getByText("85,000 euros").waitFor();
  assert.match(new URL(page.url()).pathname, /^\/mail\/\d+$/);
  stage.quiet(page, "the link of a placeholder");
}

/** While somebody is signed in, the link asks for the code alone. */
export async function again(stage, page, authenticator, url) {
  await everywhere(page);
  await page.goto(url);
  await unlock(page, authenticator);
  await page.getByText("85,000 euros").waitFor();
  stage.quiet(page, "the link once more");
}

/** A lock takes the message from another tab's screen at once, and leads back to it. */
async function everywhere(page) {
  const other = await page.context().newPage();
  await other.goto("/mail");
  await other.locator(".messages a").first().click();
  await other.locator("article.letter").waitFor();
  const place = new URL(other.url()).pathname;
  await lock(page);
  await other.waitForURL(/\/unlock\?to=/);
  assert.equal(new URL(other.url()).searchParams.get("to"), place);
  assert.equal(await other.locator("article.letter").count(), 0);
  await other.close();
}
