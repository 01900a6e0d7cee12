// Passkeys: between our pages, the browser and the authenticator. What it brings back is verified by
// the server. The output of the pseudo-random function (PRF) goes to the server once and stays nowhere.

const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (octet) => octet.charCodeAt(0));
const encode = (octets) =>
  btoa(String.fromCharCode(...new Uint8Array(octets)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const named = ({ id, ...rest }) => ({ ...rest, id: decode(id) });

// Something to tell the person.
class Wrong extends Error {}

async function post(path, csrf, body) {
  const headers = { "content-type": "application/json", "x-csrf": csrf };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  if (told.reload) location.reload();
  throw new Wrong(told.wrong ?? "The server could not do this. Try again in a moment.");
}

// What went wrong between browser and authenticator.
function explain(error) {
  if (error instanceof Wrong) return error.message;
  if (error.name === "InvalidStateError") return "This device has a passkey for your mail already.";
  if (error.name === "NotAllowedError") return "Nothing was confirmed. Try again when you are ready.";
  if (error.name === "SecurityError") return "Your browser does not use passkeys at this address.";
  return "Your browser could not use the passkey. Try another one.";
}

const prfOf = (credential) => credential.getClientExtensionResults().prf;

// Makes the passkey, and asks it for the output of its PRF: some give it only when they are used.
async function create({ publicKey, salt }, next) {
  const eval_ = { eval: { first: decode(salt) } };
  const credential = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: decode(publicKey.challenge),
      user: named(publicKey.user),
      excludeCredentials: (publicKey.excludeCredentials ?? []).map(named),
      extensions: { ...publicKey.extensions, prf: eval_ },
    },
  });
  const prf = prfOf(credential);
  if (!prf?.enabled || prf.results?.first) return [credential, prf?.results?.first];
  await next();
  const used = await navigator.credentials.get({
    publicKey: {
      // The server does not look at this signature: only the PRF's output matters here.
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rpId: publicKey.rp.id,
      allowCredentials: [{ type: "public-key", id: credential.rawId }],
      userVerification: "required",
      extensions: { prf: eval_ },
    },
  });
  return [credential, prfOf(used)?.results?.first];
}

function adding(form) {
  const [say, complain, busy] = tellers(form);
  const button = form.querySelector("[data-passkey-next]");
  const next = () =>
    new Promise((resolve) => {
      say("Done. Now the second step: your passkey makes a key of its own, which this server never has. Confirm once more.");
      button.hidden = false;
      button.focus();
      button.onclick = () => resolve((button.hidden = true));
    });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    busy(true);
    try {
      const { csrf } = form.dataset;
      const options = await post("/account/passkeys/begin", csrf, {});
      const [credential, output] = await create(options, next);
      const { to } = await post("/account/passkeys/finish", csrf, {
        label: form.elements.label.value,
        credential: {
          id: credential.id,
          rawId: encode(credential.rawId),
          type: credential.type,
          response: {
            attestationObject: encode(credential.response.attestationObject),
            clientDataJSON: encode(credential.response.clientDataJSON),
          },
        },
        prf: output && encode(output),
      });
      location.assign(to);
    } catch (error) {
      button.hidden = true;
      complain(explain(error));
      busy(false);
    }
  });
}

async function get({ publicKey, salts }) {
  const evalByCredential = Object.fromEntries(
    Object.entries(salts).map(([id, salt]) => [id, { first: decode(salt) }]),
  );
  const credential = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: decode(publicKey.challenge),
      allowCredentials: publicKey.allowCredentials.map(named),
      extensions: Object.keys(salts).length ? { prf: { evalByCredential } } : {},
    },
  });
  const output = prfOf(credential)?.results?.first;
  if (encode(credential.rawId) in salts && !output) {
    throw new Wrong("This browser does not pass on the key of your passkey. Use a code, or another browser.");
  }
  return [credential, output];
}

function unlocking(place) {
  const form = place.closest("section").querySelector("form");
  const [say, complain, busy] = tellers(place);
  place.querySelector("button").addEventListener("click", async () => {
    const { csrf, to, reason } = form.elements;
    if (!reason.reportValidity()) return;
    busy(true);
    say("Confirm with your passkey.");
    try {
      const options = await post("/unlock/passkey/begin", csrf.value, {});
      const [credential, output] = await get(options);
      const { response } = credential;
      const opened = await post("/unlock/passkey/finish", csrf.value, {
        credential: {
          id: credential.id,
          rawId: encode(credential.rawId),
          type: credential.type,
          response: {
            authenticatorData: encode(response.authenticatorData),
            clientDataJSON: encode(response.clientDataJSON),
            signature: encode(response.signature),
            userHandle: response.userHandle && encode(response.userHandle),
          },
        },
        prf: output && encode(output),
        reason: reason.value,
        to: to.value,
      });
      location.assign(opened.to);
    } catch (error) {
      say("");
      complain(explain(error));
      busy(false);
    }
  });
}

// Where a place tells its step, what is wrong, and that it is at work.
function tellers(place) {
  const [step, wrong] = ["step", "wrong"].map((name) => place.querySelector(`[data-passkey-${name}]`));
  const button = place.querySelector("button");
  const complain = (text) => {
    wrong.textContent = text;
    wrong.hidden = !text;
  };
  const busy = (yes) => {
    button.disabled = yes;
    if (yes) complain("");
  };
  return [(text) => (step.textContent = text), complain, busy];
}

if (window.PublicKeyCredential) {
  for (const [selector, start] of [["[data-passkey-add]", adding], ["[data-passkey-unlock]", unlocking]]) {
    for (const place of document.querySelectorAll(selector)) {
      start(place);
      place.hidden = false;
    }
  }
  for (const instead of document.querySelectorAll("[data-passkey-instead]")) instead.hidden = true;
}
