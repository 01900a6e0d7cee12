// What pages do beyond the server's work: times in the person's own words, the countdown of the
// lock, progress of jobs. Every page works without it.

const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const shortYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const long = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  const today = new Date();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = long.format(moment);
    if (time.dataset.style !== "short") time.textContent = long.format(moment);
    else if (moment.toDateString() === today.toDateString()) time.textContent = clock.format(moment);
    else if (moment.getFullYear() === today.getFullYear()) time.textContent = short.format(moment);
    else time.textContent = shortYear.format(moment);
  }
}

// --- the lock, in every tab of this browser. The server alone decides; tabs tell each other what it
// said, and one of them waits for what happens elsewhere: the command line, an administrator, time.

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("veilpost") : null;
const timer = document.querySelector(".clock[data-seconds]");
const csrf = document.querySelector("input[name=csrf]")?.value;
const here = document.body.dataset.here;
const gone = new AbortController();
let ends = 0;
let longest = 0;

// Takes the page from the screen at once, then loads what may be seen now.
function leave(state) {
  if (gone.signal.aborted) return;
  gone.abort();
  document.documentElement.hidden = true;
  document.body.replaceChildren();
  const back = encodeURIComponent(here ?? "/mail");
  location.replace(state === "locked" ? `/unlock?to=${back}&said=locked` : `/sign-in?to=${back}`);
}

// What the server said, here or in another tab.
function heed({ state, seconds, longest: most }) {
  if (!here || gone.signal.aborted) return;
  if (state === "open" && timer) {
    ends = Date.now() + seconds * 1000;
    longest = Date.now() + most * 1000;
  } else if (state === "signed-out" || (state === "locked" && timer)) leave(state);
}

// What the server says; with `belief` it answers when that is no longer so.
async function ask(belief = "") {
  const answer = await fetch(`/lock/state?state=${belief}`, {
    headers: { accept: "application/json" },
    redirect: "manual",
    signal: gone.signal,
  });
  // Sent to the sign-in page: nobody is signed in any more.
  if (answer.type === "opaqueredirect") return { state: "signed-out" };
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

function tell(told) {
  heed(told);
  tabs?.postMessage(told);
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// One tab of the browser waits, so that many do not use up its connections.
async function watch() {
  let belief = timer ? "open" : "locked";
  while (!gone.signal.aborted) {
    try {
      const told = await ask(belief);
      tell(told);
      belief = told.state;
      await pause(300);
    } catch {
      await pause(5000);
    }
  }
}

function countDown() {
  const left = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
  timer.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  timer.closest(".lock").classList.toggle("ending", left <= 60);
  warn(left);
  if (left > 0) setTimeout(countDown, 250);
  // Another device may have used it meanwhile; if nobody can say, it is over.
  else ask().then(tell, () => leave("locked")).then(() => gone.signal.aborted || setTimeout(countDown, 1000));
}

function warn(left) {
  const place = document.querySelector("[data-warning]");
  const [text, button] = [place.querySelector("[data-warning-text]"), place.querySelector("[data-stay]")];
  const last = longest - ends < 1000;
  const words = last
    ? "Your mail locks in less than a minute, whatever you do: an unlock lasts no longer. Unlock again, and you come back here."
    : "Your mail locks in less than a minute.";
  if (left > 60 || left === 0) place.hidden = true;
  else if (place.hidden || text.textContent !== words) {
    text.textContent = words;
    button.hidden = last;
    place.hidden = false;
  }
}

async function extend(event) {
  event.preventDefault();
  await fetch("/lock/extend", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ csrf, to: here }),
    redirect: "manual",
  });
  tell(await ask());
}

if (here) {
  tabs?.addEventListener("message", ({ data }) => heed(data));
  // Forms that lock or sign out tell the other tabs, which ask the server whether it is so.
  addEventListener("submit", ({ target, submitter }) => {
    const action = submitter?.getAttribute("formaction") ?? target.getAttribute("action");
    if (action === "/lock" || action === "/sign-out") tabs?.postMessage({ state: "ask", until: Date.now() + 5000 });
  });
  tabs?.addEventListener("message", async ({ data }) => {
    if (data.state !== "ask") return;
    const believed = timer ? "open" : "locked";
    while (Date.now() < data.until && !gone.signal.aborted) {
      const told = await ask().catch(() => null);
      if (told) heed(told);
      if (!told || told.state !== believed) return;
      await pause(250);
    }
  });
  if (timer) {
    tell({ state: "open", seconds: Number(timer.dataset.seconds), longest: Number(timer.dataset.longest) });
    countDown();
    document.querySelectorAll("[data-extend], [data-stay]").forEach((button) => button.addEventListener("click", extend));
  }
  // A tab that slept looks at once.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask().then(heed, () => {});
  });
  if (navigator.locks) navigator.locks.request("veilpost", { signal: gone.signal }, watch).catch(() => {});
  else watch();
}

// A job's page has <div data-job="/jobs/…">; the server answers with what stands in it.
async function follow(element) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 700));
    const answer = await fetch(element.dataset.job, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    element.replaceChildren(...page.body.childNodes);
    if (!element.querySelector("progress")) {
      if (element.dataset.then) location.assign(element.dataset.then);
      return;
    }
  }
}

localise(document);
document.querySelectorAll("[data-job]").forEach(follow);

// A page that the browser keeps for its back button is kept blank, and loaded again when it is shown.
addEventListener("pagehide", (event) => {
  if (event.persisted && here) document.documentElement.hidden = true;
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
