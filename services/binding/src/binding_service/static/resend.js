// Counts down to when another code may be asked for. Without this script the seconds stand still, and the server decides.
const button = document.querySelector("[data-resend-in]");
const text = document.querySelector("[data-resend-text]");
const end = performance.now() + Number(button.dataset.resendIn) * 1000;

function tick() {
  const left = Math.ceil((end - performance.now()) / 1000);
  button.disabled = left > 0;
  if (!text) return;
  text.hidden = left <= 0;
  text.textContent = text.dataset.resendText.replace("{seconds}", String(left));
  if (left > 0) setTimeout(tick, 1000);
}

tick();
