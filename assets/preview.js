// The preview follows the choice of policy and message by itself, once a message is chosen: until
// then nothing is revealed. Without this, a button does it.

const form = document.querySelector("form[data-preview]");
const target = form && document.getElementById(form.dataset.preview);
let turn = 0;

async function refresh() {
  const mine = ++turn;
  const query = new URLSearchParams(new FormData(form));
  target.setAttribute("aria-busy", "true");
  const answer = await fetch(`${location.pathname}?${query}`, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(target.id);
  // The unlock may have ended meanwhile: then the page says so itself.
  if (!answer.ok || !fresh) location.assign(`${location.pathname}?${query}`);
  else if (mine === turn) target.replaceChildren(...fresh.childNodes);
  target.removeAttribute("aria-busy");
}

form?.addEventListener("change", (event) => {
  const chosen = form.elements.namedItem("message")?.value;
  if (chosen && ["policy", "message"].includes(event.target.name)) refresh();
});
