// The audit page: what was done stands there with its reason, it verifies, and a receipt holds without
// the server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export async function record(stage, page) {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Audit" }).click();
  await page.locator(".log li").first().waitFor();
  await page.getByRole("button", { name: "Verify now" }).click();
  await page.locator("#verified").getByText("intact").waitFor();
  await stage.look(page, "audit");
  await filter(page);
  const number = await receipt(stage, page);
  await copy(page, number);
}

/** Only sign-ins and unlocks. */
async function filter(page) {
  const all = await page.locator(".log li").count();
  await page.getByText("Show only some entries").click();
  await page.getByLabel("Kind").selectOption("sign-ins");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByRole("link", { name: "Clear" }).waitFor();
  await page.getByText("To answer before the hearing").first().waitFor();
  assert.ok((await page.locator(".log li").count()) < all);
}

/** The receipt of the unlock, checked by the program on its own. */
async function receipt(stage, page) {
  const entry = page.locator(".log li", { hasText: "To answer before the hearing" }).first();
  await entry.getByRole("link", { name: /^Entry/ }).click();
  await stage.look(page, "audit-entry");
  const command = await page.locator("code", { hasText: "check-receipt" }).innerText();
  const [, key] = command.match(/--verifier-key (\S+)/);
  const file = await save(page, page.getByRole("link", { name: "Download the receipt" }));
  const { stdout } = await run(stage.facts.program, ["audit", "check-receipt", file, "--verifier-key", key]);
  assert.match(stdout, /To answer before the hearing/);
  return Number(command.match(/receipt-(\d+)/)[1]);
}

/** The export has the same entry, as it was hashed. */
async function copy(page, number) {
  await page.goto("/audit");
  const file = await save(page, page.getByRole("button", { name: /^Download/ }));
  const entries = (await readFile(file, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  assert.ok(entries.some((entry) => JSON.stringify(entry).includes("To answer before the hearing")), `${number}`);
}

async function save(page, link) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  return download.path();
}
