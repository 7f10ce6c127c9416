// A button that shows what is typed in a password's field. Without this script there is none, and nothing is missing.
for (const part of document.querySelectorAll(".password")) {
  const input = part.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small plain";
  button.textContent = part.dataset.show;
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  // Sent as a password, so that no browser keeps it among what was typed.
  input.form.addEventListener("submit", () => {
    input.type = "password";
  });
  input.after(button);
}
