// Renews the progress page when something has changed. Without this script the link on the page does it.
const live = document.getElementById("live");
const announcement = document.getElementById("changed");
const AGAIN_MS = 60_000; // after an answer that is no stream: the service is away, or too many are open
const CLICK_MS = 300;
let source = null;
let isPressing = false; // what is under a finger or a key must not move away
let isStale = false;
let isRenewing = false;

function connect() {
  if (source || document.hidden) return;
  source = new EventSource("/progress/events");
  source.addEventListener("state", (event) => {
    isStale = event.lastEventId !== live.dataset.version;
    renew();
  });
  source.addEventListener("error", () => {
    // A lost connection is tried again by the browser itself.
    if (source.readyState !== EventSource.CLOSED) return;
    disconnect();
    renewAnyway(); // and if the session is over, that finds it out
    setTimeout(connect, AGAIN_MS);
  });
}

function disconnect() {
  source?.close();
  source = null;
}

async function renew() {
  if (!isStale || isPressing || isRenewing) return;
  isRenewing = true;
  isStale = false;
  const fresh = await fetched();
  isRenewing = false;
  if (!fresh) setTimeout(renewAnyway, AGAIN_MS);
  else if (isPressing) isStale = true;
  else if (fresh.dataset.version !== live.dataset.version) show(fresh);
  renew(); // for what came meanwhile
}

function renewAnyway() {
  isStale = true;
  renew();
}

async function fetched() {
  try {
    const answer = await fetch("/progress", { headers: { accept: "text/html" } });
    if (answer.redirected) location.reload(); // the session is over: the login comes
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  } catch {
    return null; // no network
  }
}

function show(fresh) {
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  live.replaceChildren(...fresh.childNodes);
  live.dataset.version = fresh.dataset.version;
  if (focused) (twin(focused) ?? document.getElementById("main")).focus({ preventScroll: true });
  announcement.textContent = "";
  // The same words again are heard only where they were gone for a moment.
  setTimeout(() => (announcement.textContent = fresh.dataset.changedMessage), 100);
}

function twin(lost) {
  const href = lost.getAttribute("href");
  const isTwin = (other) => (lost.id ? other.id === lost.id : href && other.getAttribute("href") === href);
  return [...live.querySelectorAll("*")].find(isTwin);
}

function press(event) {
  if (live.contains(event.target)) isPressing = true;
}

function release() {
  if (!isPressing) return;
  // The click comes a little after the release.
  setTimeout(() => {
    isPressing = false;
    renew();
  }, CLICK_MS);
}

for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, press);
for (const name of ["pointerup", "pointercancel", "keyup", "dragend"]) document.addEventListener(name, release);
window.addEventListener("blur", release);
// A browser opens few connections to one host: a page that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
window.addEventListener("pageshow", connect); // now, and when the browser's way back leads here
