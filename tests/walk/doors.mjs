// Signing in, unlocking, locking: what every chapter begins with.

import assert from "node:assert/strict";

export async function signIn(page, login, password) {
  if (!page.url().includes("/sign-in")) await page.goto("/sign-in");
  await page.getByLabel("Address").fill(login);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

export async function unlock(page, authenticator, reason) {
  if (!page.url().includes("/unlock")) await page.goto("/unlock");
  await page.getByLabel("Code from your authenticator").fill(await authenticator.code());
  if (reason) await page.getByLabel("Why you unlock").fill(reason);
  await page.getByRole("main").getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByRole("button", { name: "Lock now" }).waitFor();
}

export async function lock(page) {
  await page.getByRole("button", { name: "Lock now" }).click();
  await page.getByRole("status").getByText("Locked.").waitFor();
  assert.equal(await page.locator(".lock.is-open").count(), 0);
}

/** The address of the message whose line in the list says `text`. */
export async function find(page, text) {
  await page.goto("/mail");
  return page.locator(".messages a", { hasText: text }).first().getAttribute("href");
}
