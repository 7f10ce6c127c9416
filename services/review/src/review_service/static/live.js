// Renews the list when something in it has changed, and says when the open application has. Without this script a
// reload does it.
const live = document.getElementById("live");
const announcement = document.getElementById("changed");
const stale = document.getElementById("stale"); // on an application's page
const AGAIN_MS = 60_000; // after an answer that is no stream: the service is away, or too many are open
const CLICK_MS = 300;
let source = null;
let isPressing = false; // what is under a finger or a key must not move away
let isStale = false;
let isRenewing = false;

function connect() {
  if (source || document.hidden) return;
  source = new EventSource("/events");
  source.addEventListener("state", (event) => {
    isStale = event.lastEventId !== live.dataset.version;
    renew();
  });
  source.addEventListener("error", () => {
    // A lost connection is tried again by the browser itself.
    if (source.readyState !== EventSource.CLOSED) return;
    disconnect();
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
  if (!fresh || isPressing) isStale = true;
  else show(fresh);
  if (fresh) renew(); // for what came meanwhile
}

async function fetched() {
  try {
    const address = new URL(stale?.dataset.from ?? location.href, location.href);
    // What the page told once, it need not tell again.
    for (const told of ["done", "undone", "skipped"]) address.searchParams.delete(told);
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (stale && answer.status === 404) stale.hidden = false; // it is another teacher's by now
    if (answer.redirected || !answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null; // no network
  }
}

function show(page) {
  const fresh = page.getElementById("live");
  if (!fresh) return location.reload(); // it has become another page: a form to be corrected
  if (fresh.dataset.version === live.dataset.version) return;
  if (stale && fresh.dataset.change !== live.dataset.change) stale.hidden = false;
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const ticked = new Set([...live.querySelectorAll("input[name=id]:checked")].map((box) => box.value));
  live.replaceChildren(...fresh.childNodes);
  live.dataset.version = fresh.dataset.version;
  for (const box of live.querySelectorAll("input[name=id]")) box.checked = ticked.has(box.value);
  if (focused) (twin(focused) ?? document.getElementById("main")).focus({ preventScroll: true });
  live.dispatchEvent(new Event("renewed"));
  announcement.textContent = "";
  // The same words again are heard only where they were gone for a moment.
  setTimeout(() => (announcement.textContent = fresh.dataset.changedMessage), 100);
}

function twin(lost) {
  const isTwin = (other) => (lost.id ? other.id === lost.id : lost.value && other.value === lost.value);
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

function countDown() {
  const told = document.querySelector(".done[data-undo-left]");
  if (!told) return;
  const ends = performance.now() + told.dataset.undoLeft * 1000;
  const seconds = told.querySelector(".seconds");
  const timer = setInterval(() => {
    const left = Math.ceil((ends - performance.now()) / 1000);
    if (left > 0) seconds.textContent = left;
    else {
      clearInterval(timer);
      const form = told.querySelector("form");
      if (form.contains(document.activeElement)) document.getElementById("main").focus({ preventScroll: true });
      form.remove();
    }
  }, 250);
}

for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, press);
for (const name of ["pointerup", "pointercancel", "keyup", "dragend"]) document.addEventListener(name, release);
window.addEventListener("blur", release);
// A browser opens few connections to one host: a page that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
window.addEventListener("pageshow", connect); // now, and when the browser's way back leads here
countDown();
