// Passkeys in Chromium with its virtual authenticator (Chrome DevTools Protocol, WebAuthn domain):
// adding one, unlocking with it, refusals, removing. `page` is signed in and unlocked; `base` is the
// dashboard's address; `facts.code()` yields a fresh code from the authenticator app.
//
// Chromium refuses WebAuthn where the certificate is not trusted. `--ignore-certificate-errors` makes
// a demo's own certificate do, for https://localhost as for any other name.

import assert from "node:assert/strict";

export default async function passkeys(page, base, facts) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  try {
    await journey(page, base, facts, devtools, { hasPrf: true, steps: 1 }, "Opens with its own key");
    await journey(page, base, facts, devtools, { hasPrf: true, steps: 2 }, "Opens with its own key");
    await journey(page, base, facts, devtools, { hasPrf: false, steps: 1 }, "Second factor");
  } finally {
    await devtools.send("WebAuthn.disable");
  }
}

async function journey(page, base, facts, devtools, { hasPrf, steps }, words) {
  const options = {
    protocol: "ctap2",
    ctap2Version: "ctap2_1",
    transport: "internal",
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
    hasPrf,
  };
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  await add(page, base, facts, steps, words);
  await unlock(page, base);
  await refuses(page, base, devtools, authenticatorId);
  await remove(page, base);
  await devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
}

async function add(page, base, facts, steps, words) {
  await page.goto(`${base}/account/passkeys`);
  if (await page.locator("main a", { hasText: "Unlock" }).count()) {
    await page.goto(`${base}/unlock?to=/account/passkeys`);
    await page.fill("input[name=code]", await facts.code());
    await page.click("main button[type=submit]");
  }
  if (steps === 2) await page.evaluate(outputAtUseOnly);
  await page.fill("input[name=label]", "Walking stick");
  await page.click("main form[data-passkey-add] button[type=submit]");
  if (steps === 2) await page.click("[data-passkey-next]");
  await page.locator(".notice.done").waitFor();
  const row = page.locator("tbody tr", { hasText: "Walking stick" });
  assert.equal(await row.locator(".tag").textContent(), words);
}

// Runs in the page: some authenticators yield the PRF's output only when they are used.
function outputAtUseOnly() {
  const create = navigator.credentials.create.bind(navigator.credentials);
  navigator.credentials.create = async (options) => {
    const credential = await create(options);
    credential.getClientExtensionResults = () => ({ prf: { enabled: true } });
    return credential;
  };
}

async function unlock(page, base) {
  await lock(page);
  await page.goto(`${base}/unlock?to=/account/passkeys`);
  await page.click("[data-passkey-unlock] button");
  await page.waitForURL(`${base}/account/passkeys`);
  assert.equal(await page.locator(".lock.is-open").count(), 1);
  assert.equal(await page.locator("tbody tr time").count(), 2, "added and last used");
}

// A counter that went back unlocks nothing; what nobody confirmed does not even leave the browser.
async function refuses(page, base, devtools, authenticatorId) {
  await lock(page);
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  assert.equal(credentials.length, 1);
  const credential = { ...credentials[0], signCount: 0 };
  await devtools.send("WebAuthn.clearCredentials", { authenticatorId });
  await devtools.send("WebAuthn.addCredential", { authenticatorId, credential });
  // A copy has no PRF: the script sees that before the server does.
  assert.match(await refused(page, base), /did not unlock|does not pass on/);
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  assert.match(await refused(page, base), /Nothing was confirmed/);
}

async function refused(page, base) {
  await page.goto(`${base}/unlock?to=/mail`);
  await page.click("[data-passkey-unlock] button");
  const wrong = page.locator("[data-passkey-wrong]:not([hidden])");
  await wrong.waitFor();
  assert.equal(await page.locator(".lock.is-open").count(), 0);
  return wrong.textContent();
}

// Works while locked: it reveals less.
async function remove(page, base) {
  await page.goto(`${base}/account/passkeys`);
  await page.click("tbody tr:has-text('Walking stick') button");
  await page.locator(".notice.done").waitFor();
  await page.goto(`${base}/unlock?to=/mail`);
  assert.equal(await page.locator("[data-passkey-unlock]").count(), 0);
}

async function lock(page) {
  await page.getByRole("button", { name: "Lock now" }).click();
  await page.locator(".lock.is-locked").waitFor();
}
