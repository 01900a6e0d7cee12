// The browser, and what is asked of every page that it shows: nothing that axe-core calls serious or
// critical, no error on the console, no request to any other host, nothing wider than the screen.
// Pictures of it are taken where VEILPOST_WALK_SHOTS names a folder.

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };

/** Every name but the dashboard's leads to `ear`, so that whatever a page sends is heard there. */
export async function open(facts, ear) {
  const home = new URL(facts.dashboard);
  const certificate = new X509Certificate(readFileSync(facts.ca_file));
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  const browser = await chromium.launch({
    executablePath: facts.chromium,
    args: [
      ...FLAGS,
      // What the browser asks its own maker is nothing that a page sent.
      "--host-resolver-rules=MAP *.googleapis.com ~NOTFOUND, MAP *.google.com ~NOTFOUND, " +
        `MAP ${home.host} 127.0.0.1:${home.port}, MAP * 127.0.0.1:${ear.port}`,
      // As good as an authority that the browser trusts: it takes passkeys and shows no warning.
      `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`,
    ],
  });
  return new Stage(browser, facts);
}

class Stage {
  constructor(browser, facts) {
    this.browser = browser;
    this.facts = facts;
    this.pictures = facts.pictures;
    this.pages = [];
  }

  /** A person at a browser of their own. */
  async person(options = {}) {
    const context = await this.browser.newContext({
      baseURL: this.facts.dashboard,
      viewport: WIDE,
      colorScheme: "light",
      reducedMotion: "reduce",
      locale: "en-GB",
      acceptDownloads: true,
      ...options,
    });
    const faults = [];
    const home = new URL(this.facts.dashboard).origin;
    context.on("page", (page) => {
      page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error") faults.push(`console: ${message.text()}`);
      });
    });
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith("http") && url.origin !== home) faults.push(`request: ${url}`);
    });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.faults = faults;
    this.pages.push(page);
    return page;
  }

  /** Looks at the page that is shown. */
  async look(page, name) {
    for (const [size, scheme] of [[NARROW, "dark"], [NARROW, "light"], [WIDE, "dark"], [WIDE, "light"]]) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme: scheme });
      const where = `${name}, ${size.width} px, ${scheme}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${where}: ${wide} px wider than the screen`);
      if ((size === NARROW) === (scheme === "dark")) await this.examine(page, where);
      await this.picture(page, `${name}-${size.width}-${scheme}`);
    }
    this.quiet(page, name);
  }

  /** What axe-core finds. */
  async examine(page, where) {
    await page.evaluate(AXE);
    const { passes, violations } = await page.evaluate(async () => {
      const found = await globalThis.axe.run(document, { iframes: false, resultTypes: ["violations"] });
      const grave = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      const words = ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`;
      return { passes: found.passes.length, violations: grave.map(words) };
    });
    assert.deepEqual(violations, [], where);
    assert.ok(passes > 10, `${where}: axe-core found something to look at`);
  }

  async picture(page, name) {
    if (!this.pictures) return;
    await page.screenshot({ path: path.join(this.pictures, `${name}.png`), fullPage: true });
  }

  /** Nothing was wrong so far; `but` says what had to be. */
  quiet(page, where, but = /^$/) {
    const faults = page.faults.splice(0).filter((fault) => !but.test(fault));
    assert.deepEqual(faults, [], where);
  }

  /** The pages as they were when something went wrong. */
  async last() {
    for (const [number, page] of this.pages.entries()) {
      if (page.isClosed()) continue;
      console.log(`page ${number} is at ${page.url()}: ${await page.title().catch(() => "")}`);
      await this.picture(page, `trouble-${number}`).catch(() => {});
    }
  }
}

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Milliseconds: far more than any page takes on a busy machine. */
const PATIENCE = 15_000;
