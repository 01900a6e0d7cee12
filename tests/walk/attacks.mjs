// HTML mail made to attack (tests/html), each opened whole. Nothing outside hears of it, no dialogue
// opens, nothing navigates, and the page around the frame stays as the server wrote it.

import assert from "node:assert/strict";
import { signIn, unlock } from "./doors.mjs";

export async function attacks(stage, ear, authenticator) {
  await hears(stage, ear);
  const page = await stage.person();
  const happened = [];
  page.on("dialog", (dialog) => happened.push(`dialogue: ${dialog.message()}`) && dialog.dismiss());
  page.context().on("page", (opened) => happened.push(`window: ${opened.url()}`));
  page.on("framenavigated", (frame) => happened.push(`${frame.parentFrame() ? "frame" : "page"}: ${frame.url()}`));
  const { login, password } = stage.facts.reader;
  await signIn(page, login, password);
  await unlock(page, authenticator);
  const messages = await addresses(page, stage.facts.attacks);
  const before = ear.connections();
  const pictured = [];
  for (const [name, address] of messages) {
    happened.length = 0;
    await open(stage, page, address);
    assert.deepEqual(happened.map(local), [`page: ${address}`, `frame: ${address}/html`], name);
    stage.quiet(page, name);
    if (await page.getByRole("link", { name: "Show pictures" }).count()) pictured.push([name, address]);
  }
  assert.equal(ear.connections() - before, 0, JSON.stringify(ear.heard));
  const asked = await withPictures(stage, ear, page, pictured, happened);
  await page.context().close();
  return { opened: messages.length, pictured: pictured.length, asked };
}

/** With pictures from outside allowed by the person: pictures by HTTPS from public names, no more. */
async function withPictures(stage, ear, page, messages, happened) {
  ear.heard.length = 0;
  for (const [name, address] of messages) {
    await open(stage, page, address);
    happened.length = 0;
    await open(stage, page, `${address}?remote=1`, byLink);
    assert.deepEqual(
      happened.map(local),
      [`page: ${address}?remote=1`, `frame: ${address}/html?remote=1`],
      name,
    );
    stage.quiet(page, name, /^request: https:|ERR_INVALID_URL|preload/);
  }
  assert.ok(ear.heard.length > 0, "pictures that are asked for are shown");
  for (const { scheme, method, host, url, headers } of ear.heard) {
    const what = `${method} ${scheme}://${host}${url}`;
    assert.equal(`${scheme} ${method}`, "https GET", what);
    assert.equal(headers["sec-fetch-dest"], "image", what);
    assert.ok(!headers.cookie && !headers.referer && !headers.authorization, what);
    // Not into the network of the person: no address in figures, no name without a dot.
    assert.ok(/^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]+$/.test(host) && !host.endsWith(".local"), what);
  }
  return ear.heard.length;
}

/** An address that asks for pictures counts only where our own page leads to it. */
async function byLink(page) {
  const link = page.getByRole("link", { name: "Show pictures" });
  const [answer] = await Promise.all([page.waitForNavigation({ waitUntil: "load" }), link.click()]);
  return answer;
}

const byAddress = (page, address) => page.goto(address, { waitUntil: "load" });

/** Opens a message, moves over its frame as a hand does, and compares the page before and after. */
async function open(stage, page, address, go = byAddress) {
  const answer = await go(page, address);
  const box = await page.locator("iframe[title='The message']").boundingBox();
  for (const share of [0.1, 0.5, 0.9]) await page.mouse.move(box.x + box.width * share, box.y + box.height * share);
  const now = await page.evaluate(OUTLINE);
  const written = await page.evaluate(
    ([outline, html]) => (0, eval)(`(${outline})`)(new DOMParser().parseFromString(html, "text/html")),
    [OUTLINE.toString(), await answer.text()],
  );
  assert.deepEqual(now, written, `the page around ${address} has changed`);
  assert.deepEqual(await page.evaluate(() => [window.length, window.name, document.cookie]), [1, "", ""]);
}

/** Every element with what could lead anywhere; times are the reader's own and are left out. */
const OUTLINE = (root) =>
  [...(root ?? document).querySelectorAll("*")].map((element) =>
    [element.localName, ...["id", "class", "href", "src", "action", "name", "value", "sandbox"].map((name) => element.getAttribute(name) ?? "")].join("|"),
  );

/** The server does hear, by both schemes and by any name: otherwise its silence says nothing. */
async function hears(stage, ear) {
  const page = await stage.person();
  for (const url of ["http://tracker.example/heard", "https://other.example/heard"]) {
    await page.goto(url);
    const { host } = new URL(url);
    assert.ok(ear.heard.some((one) => one.host === host && one.url === "/heard"), url);
  }
  await page.context().close();
}

async function addresses(page, names) {
  const found = new Map();
  await page.goto("/mail");
  for (;;) {
    for (const line of await page.locator(".messages a").all()) {
      const subject = await line.locator(".subject").innerText();
      found.set(subject.replace("attack ", ""), await line.getAttribute("href"));
    }
    const older = page.getByRole("link", { name: "Older" });
    if (!(await older.count())) break;
    await older.click();
  }
  return names.map((name) => [name, found.get(name) ?? assert.fail(`${name} is not in the list`)]);
}

function local(what) {
  return what.replace(/https:\/\/localhost:\d+/, "");
}
