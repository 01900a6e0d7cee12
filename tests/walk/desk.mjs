// The pages of one's account and those of the administrator, each looked at.

const ACCOUNT = ["account", "account/password", "account/authenticator", "account/recovery", "account/tokens",
  "account/passkeys"];
const ADMINISTRATION = ["admin", "admin/users", "admin/addresses", "admin/domains", "admin/sessions",
  "admin/settings"];

export async function account(stage, page) {
  for (const path of ACCOUNT) await open(stage, page, path);
  await page.goto("/account");
  await page.getByRole("textbox", { name: "Phrase" }).fill("blue heron at noon");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".notice.done").waitFor();
}

/** A user and an alias of theirs, by hand. */
export async function administration(stage, page) {
  for (const path of ADMINISTRATION) await open(stage, page, path);
}

async function open(stage, page, path) {
  const answer = await page.goto(`/${path}`);
  if (answer.status() !== 200) throw new Error(`/${path}: ${answer.status()}`);
  await stage.look(page, path.replace("/", "-"));
}
