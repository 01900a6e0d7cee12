// The first day of a person: sign in, set up the authenticator, keep the recovery code.

import assert from "node:assert/strict";
import { Authenticator } from "./authenticator.mjs";
import { lock, signIn } from "./doors.mjs";

export async function firstSignIn(stage, page) {
  const { login, password } = stage.facts.newcomer;
  await page.goto("/");
  await stage.look(page, "sign-in");
  await signIn(page, login, "not the password");
  await page.getByRole("alert").getByText("is wrong").waitFor();
  stage.quiet(page, "a wrong password", /403/);
  await stage.examine(page, "a wrong password");
  await signIn(page, login, password);

  await page.getByRole("heading", { name: "Set up your authenticator" }).waitFor();
  await stage.look(page, "welcome");
  // No page but this one opens before it is done.
  await page.goto("/mail");
  assert.match(page.url(), /\/welcome$/);
  await page.getByText("Type it in instead").click();
  const authenticator = new Authenticator(await page.locator(".secret code").innerText());
  await page.getByLabel("The code it shows now").fill(await authenticator.code());
  await page.getByRole("button", { name: "Confirm" }).click();

  await page.getByRole("heading", { name: "Choose your password" }).waitFor();
  await stage.look(page, "welcome-password");
  await choosePassword(page, "too short", "too short");
  assert.equal(await page.locator(":invalid[name=password]").count(), 1);
  await choosePassword(page, stage.facts.newcomer.own, "another one altogether");
  await page.getByRole("alert").getByText("The two passwords differ.").waitFor();
  stage.quiet(page, "two passwords", /422/);
  await choosePassword(page, stage.facts.newcomer.own, stage.facts.newcomer.own);
  await page.getByText("Your password is changed").waitFor();
  await signIn(page, login, stage.facts.newcomer.own);
  await page.getByRole("heading", { name: "Where you left off" }).waitFor();
  await stage.look(page, "welcome-again");
  await page.getByLabel("Code from your authenticator").fill(await authenticator.code());
  await page.getByRole("button", { name: "Go on" }).click();

  await page.getByRole("heading", { name: "Your recovery code" }).waitFor();
  await stage.look(page, "recovery");
  const code = await page.locator("#recovery-code").innerText();
  await confirmRecovery(page, "no!!");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.locator("#recovery-code").innerText(), code);
  stage.quiet(page, "a wrong ending", /422/);
  await confirmRecovery(page, code.replace(/\W/g, "").slice(-4));
  await page.getByRole("heading", { name: "Inbox" }).waitFor();
  stage.quiet(page, "the end of the first sign-in");
  await lock(page);
  return authenticator;
}

async function choosePassword(page, password, again) {
  await page.getByLabel("New password").fill(password);
  await page.getByLabel("Once more").fill(again);
  await page.getByRole("button", { name: "Use this password" }).click();
}

async function confirmRecovery(page, ending) {
  await page.getByLabel("Its last four letters").fill(ending);
  await page.getByRole("button", { name: "I have it" }).click();
}
