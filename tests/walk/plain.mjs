// Without JavaScript: sign in, unlock, read, search, lock.

import { signIn, unlock, lock, find } from "./doors.mjs";

export async function plain(stage, authenticator) {
  const { login, password } = stage.facts.reader;
  const page = await stage.person({ javaScriptEnabled: false });
  await page.goto("/mail");
  await signIn(page, login, password);
  await page.getByRole("main").getByRole("link", { name: "Unlock" }).click();
  await unlock(page, authenticator);
  await page.goto(await find(page, "Settlement"));
  await page.getByText("85,000 euros").waitFor();
  await page.getByRole("link", { name: "Search" }).click();
  await page.getByLabel("What you look for").fill("euros");
  const submit = page.getByRole("main").getByRole("button", { name: "Search" });
  // The index may still be catching up; nothing but loading the page again tells.
  for (let tries = 0; tries < 50; tries += 1) {
    await submit.click();
    if (await page.locator(".messages a").count()) break;
  }
  await page.locator(".messages a", { hasText: "Settlement" }).click();
  await page.getByText("85,000 euros").waitFor();
  await lock(page);
  stage.quiet(page, "without scripts");
  await page.context().close();
}
