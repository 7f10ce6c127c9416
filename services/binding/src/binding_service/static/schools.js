// Narrows the list of schools while somebody types. Without this script the button next to the field does.
const wanted = document.getElementById("wanted");
const status = document.querySelector("[data-count]");
const list = document.querySelector(".schools");
const schools = [...list.querySelectorAll("label")].map((label) => [label, plain(label.textContent)]);

function plain(text) {
  return text.normalize("NFKC").toLowerCase().replaceAll("臺", "台").trim();
}

function narrow() {
  const parts = plain(wanted.value).split(/\s+/);
  let count = 0;
  for (const [label, name] of schools) {
    label.hidden = !parts.every((part) => name.includes(part));
    count += label.hidden ? 0 : 1;
  }
  status.textContent = wanted.value.trim() ? status.dataset.count.replace("{count}", String(count)) : "";
}

// A list that the server has narrowed is only a part: another word has to go there again.
if (!wanted.value) {
  document.querySelector(".search button").hidden = true;
  wanted.addEventListener("input", narrow);
  wanted.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}
