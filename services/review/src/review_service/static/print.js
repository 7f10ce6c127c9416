// Opens the browser's print dialog. Without this script its own menu does it, and the button stays hidden.
const button = document.getElementById("print");
button.addEventListener("click", () => window.print());
button.hidden = false;
