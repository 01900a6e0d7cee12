// A view for a mail client: a policy chosen with both sides in sight, a password shown once, mail
// fetched with it, and the device shut out again.

import assert from "node:assert/strict";
import { retrieve } from "./pop3.mjs";

/** Makes a view; gives the device that its password opens. */
export async function create(stage, page) {
  await page.goto("/views");
  await page.getByText("No mail client yet").waitFor();
  await stage.look(page, "views-none");
  await page.getByRole("link", { name: "Connect a mail client" }).first().click();
  await page.locator("input[name=policy][value=headers-only]").check();
  const message = page.locator("select[name=message]");
  const settlement = message.locator("option", { hasText: "Settlement" }).last();
  await message.selectOption(await settlement.getAttribute("value"));
  const client = page.locator("#preview .client");
  await client.getByText("Settlement in Lindqvist").waitFor();
  await page.locator("#preview").getByText("85,000 euros").waitFor();
  assert.ok(!(await client.innerText()).includes("85,000"));
  await stage.look(page, "view-new");
  // Without another button: the other side follows the choice.
  await page.locator("input[name=policy][value=sender-and-date]").check();
  await client.getByText("Settlement in Lindqvist").waitFor({ state: "detached" });
  await page.getByLabel("Name of the view").fill("phone");
  await page.getByLabel("Its first device").fill("Nora's phone");
  await page.getByRole("button", { name: "Make its password" }).click();
  await page.getByRole("heading", { name: "Your app password" }).waitFor();
  await stage.look(page, "connect");
  const device = {
    login: await page.locator("dt:has-text('User name') + dd").innerText(),
    app_password: await page.locator("#app-password").innerText(),
  };
  await page.getByRole("link", { name: "I have put it in" }).click();
  await page.getByRole("heading", { name: "phone", exact: true }).waitFor();
  await stage.look(page, "view");
  assert.ok(!(await page.content()).includes(device.app_password), "the password is shown once");
  return device;
}

/** Old mail follows; then the client has the message, masked, with a link to it. */
export async function fetch(stage, page, device) {
  await page.goto("/views");
  await page.getByRole("button", { name: "Seal older mail again" }).click();
  await page.getByText("are sealed for today").waitFor();
  await stage.look(page, "views");
  const message = await retrieve(stage.facts, device, 1);
  assert.ok(message.includes("harbour-legal.example") && !message.includes("85,000"), message);
  assert.ok(!message.includes("Settlement"));
  return linkIn(message);
}

/** What the device has fetched is shown; then its password opens nothing. */
export async function revoke(stage, page, device) {
  await page.goto("/views");
  await page.getByRole("link", { name: "phone", exact: true }).click();
  await page.getByRole("link", { name: "Look, or revoke" }).click();
  await page.getByText("One message, as this view showed it.").waitFor();
  await page.getByRole("link", { name: "Settlement in Lindqvist" }).waitFor();
  await stage.look(page, "device");
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.locator(".notice.done").waitFor();
  await assert.rejects(retrieve(stage.facts, device, 1), /curl/);
  stage.quiet(page, "revoked");
}

/** The policies, and one in the editor: a fault is named with its line, the shipped text checks. */
export async function policies(stage, page) {
  await page.goto("/policies");
  await stage.look(page, "policies");
  await page.locator("main a[href='/policies/excerpt']").first().click();
  const text = page.getByLabel("The policy, in TOML");
  const shipped = await text.inputValue();
  await text.fill(`${shipped}\nnonsense = \n`);
  await page.getByRole("button", { name: "Check" }).click();
  await page.getByRole("alert").getByText(/Line \d+, column \d+/).first().waitFor();
  stage.quiet(page, "a fault in a policy", /422/);
  await stage.examine(page, "a fault in a policy");
  await page.getByLabel("The policy, in TOML").fill(shipped);
  await page.getByRole("button", { name: "Preview on five messages" }).click();
  await page.locator(".sides").first().waitFor();
  await stage.look(page, "policy");
}

export function linkIn(message) {
  const [url] = message.replaceAll("=\r\n", "").match(/https:\/\/localhost:\d+\/m\/\w+/);
  return url;
}
