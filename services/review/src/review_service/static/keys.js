// One key for each thing that a teacher does all the time. They can be turned off (WCAG 2.1.4), and never act while
// somebody types.
const help = document.getElementById("keys");
const isOn = document.getElementById("keys-on");
const OFF = "kinbind-keys-off";
const element = (id) => document.getElementById(id);
const click = (id) => () => element(id)?.click();

const actions = {
  j: () => (element("following") ? element("following").click() : move(1)),
  k: () => (element("previous") ? element("previous").click() : move(-1)),
  x: tick,
  a: () => (element("approve") ?? document.querySelector("#several:has(~ .entries :checked) button"))?.click(),
  r: refuse,
  u: () => (element("undo") ?? element("undo-here"))?.click(),
  "/": () => (element("sought") ?? element("to-list"))?.[element("sought") ? "focus" : "click"](),
  g: click("to-list"),
  "?": () => help.showModal(),
};

function move(step) {
  const entries = [...document.querySelectorAll(".entries .entry")];
  const here = entries.findIndex((entry) => entry.closest("li").contains(document.activeElement));
  entries.at(here < 0 ? (step > 0 ? 0 : -1) : Math.min(Math.max(here + step, 0), entries.length - 1))?.focus();
}

function tick() {
  const box = document.activeElement.closest?.(".entries li")?.querySelector("input[name=id]");
  if (box) box.checked = !box.checked;
}

function refuse() {
  const form = element("refuse");
  if (!form) return;
  form.open = true;
  (form.querySelector("input[type=radio]:checked") ?? form.querySelector("input[type=radio]")).focus();
}

function isTyping(target) {
  return target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  if (help.open || isTyping(event.target) || !isOn.checked) return;
  const action = actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
});

isOn.checked = localStorage.getItem(OFF) === null;
isOn.addEventListener("change", () => (isOn.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
for (const button of document.querySelectorAll(".keys-help")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}

// Ticking all that need no second look is a help of this script's; without it each is ticked by itself.
function offerTicks() {
  const button = document.querySelector(".tick-usual");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const row of document.querySelectorAll(".entries li")) {
      const box = row.querySelector("input[name=id]");
      if (box) box.checked = !row.querySelector(".entry.flagged");
    }
  });
}
offerTicks();
element("live").addEventListener("renewed", offerTicks);
