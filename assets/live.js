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

function countDown(element) {
  const end = performance.now() + Number(element.dataset.seconds) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    element.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    element.closest(".lock").classList.toggle("ending", left <= 60);
    // The server has locked: what is on the screen goes too.
    if (left === 0) location.assign("/mail?said=locked");
    else setTimeout(tick, 250);
  };
  tick();
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
document.querySelectorAll(".clock[data-seconds]").forEach(countDown);
document.querySelectorAll("[data-job]").forEach(follow);

// A page that the browser kept must not outlive the lock.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
