// The walk through the dashboard, as a person goes: in Chromium, against a server that runs. The
// facts come as JSON on standard input (tests/journeys/dashboard_walk.rs); a line for each chapter.

import { readFileSync } from "node:fs";
import { attacks } from "./attacks.mjs";
import { Authenticator } from "./authenticator.mjs";
import * as desk from "./desk.mjs";
import * as ears from "./ear.mjs";
import { firstSignIn } from "./first.mjs";
import { keyboard } from "./keyboard.mjs";
import { again, link } from "./link.mjs";
import passkeys from "./passkey.mjs";
import { plain } from "./plain.mjs";
import * as reading from "./reading.mjs";
import { record } from "./record.mjs";
import * as stages from "./stage.mjs";
import * as views from "./views.mjs";

const facts = JSON.parse(readFileSync(0, "utf8"));
const ear = await ears.listen(facts);
const stage = await stages.open(facts, ear);

async function chapter(name, run) {
  const begun = performance.now();
  const said = await run();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${seconds.padStart(6)} s  ${name}`, said === undefined ? "" : JSON.stringify(said));
}

try {
  const page = await stage.person();
  let phone;
  await chapter("first sign-in", async () => void (phone = await firstSignIn(stage, page)));
  await chapter("masked", () => reading.masked(stage, page));
  await chapter("unlock", () => reading.whole(stage, page, phone));
  await chapter("letter", () => reading.letter(stage, page));
  await chapter("invitation", () => reading.invitation(stage, page));
  await chapter("search", () => reading.search(stage, page));
  await chapter("conversation", () => reading.conversation(stage, page));
  await chapter("side by side", () => reading.sideBySide(stage, page));
  await chapter("print", () => reading.print(stage, page));
  await chapter("trash", () => reading.trash(stage, page));
  await chapter("nowhere", () => reading.nowhere(stage, page));
  await chapter("keyboard", () => keyboard(stage, page));
  let device;
  let address;
  await chapter("new view", async () => void (device = await views.create(stage, page)));
  await chapter("POP3", async () => void (address = await views.fetch(stage, page, device)));
  await chapter("revoke", () => views.revoke(stage, page, device));
  await chapter("policies", () => views.policies(stage, page));
  await chapter("audit", () => record(stage, page));
  await chapter("folders", () => reading.folders(stage, page));
  await chapter("account", () => desk.account(stage, page));
  await chapter("administration", () => desk.administration(stage, page));
  await chapter("lock, and the link", () => again(stage, page, phone, address));

  const reader = new Authenticator(facts.reader.seed);
  await chapter("link", async () => link(stage, await stage.person(), reader));
  await chapter("without scripts", () => plain(stage, reader));
  await chapter("attacks", () => attacks(stage, ear, reader));

  // Last, since it needs many codes and each has its half minute.
  const { login, own } = facts.newcomer;
  const newcomer = { login, password: own, code: () => phone.code() };
  await chapter("passkeys", () => passkeys(page, new URL(facts.dashboard).origin, newcomer));
} catch (error) {
  await stage.last();
  console.error(error);
  process.exitCode = 1;
} finally {
  await stage.browser.close();
  ear.close();
}
