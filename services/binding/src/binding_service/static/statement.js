// The box can be ticked once the statement was seen to its end. Without this script the whole statement stands above it.
const statement = document.querySelector("[data-statement]");
const agree = document.getElementById("agree");
const hint = document.querySelector("[data-until-read]");

const end = new IntersectionObserver(
  (entries) => {
    if (entries.some((entry) => entry.isIntersecting)) allow();
  },
  { root: statement },
);

function allow() {
  agree.disabled = false;
  hint.hidden = true;
  end.disconnect();
}

statement.classList.add("scrolls");
if (!agree.checked) {
  agree.disabled = true;
  hint.hidden = false;
  end.observe(statement.querySelector("[data-end]"));
}
