// Draws a signature and sends it as strokes: points, never an image. Without this script the name is typed instead.
const WIDTH = 600; // the units in which points are sent, whatever the screen
const HEIGHT = 300;
const MOST_POINTS = 4000; // far below the 64 kB that a signature may take

const pad = document.querySelector(".pad");
const canvas = pad.querySelector("canvas");
const undo = pad.querySelector("[data-undo]");
const clear = pad.querySelector("[data-clear]");
const field = document.querySelector("input[name=strokes]");
const typed = document.querySelector("details.typed");
const context = canvas.getContext("2d");
let strokes = field.value ? JSON.parse(field.value).strokes : [];

function place(event) {
  const box = canvas.getBoundingClientRect();
  const scale = (value, size, most) => Math.max(0, Math.min(most, Math.round((value / size) * most)));
  return [scale(event.clientX - box.left, box.width, WIDTH), scale(event.clientY - box.top, box.height, HEIGHT)];
}

// As many pixels as the screen has, so that lines are crisp on any.
function fit() {
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  context.setTransform(canvas.width / WIDTH, 0, 0, canvas.height / HEIGHT, 0, 0);
  context.lineWidth = 4;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "#14213d";
  strokes.forEach((stroke) => drawFrom(stroke, 0));
}

function drawFrom(stroke, from) {
  context.beginPath();
  context.moveTo(...stroke[from]);
  for (const point of stroke.slice(from)) context.lineTo(...point);
  context.stroke();
}

function keep() {
  field.value = strokes.length ? JSON.stringify({ width: WIDTH, height: HEIGHT, strokes }) : "";
  undo.disabled = clear.disabled = !strokes.length;
}

function change(changed) {
  strokes = changed;
  context.clearRect(0, 0, WIDTH, HEIGHT);
  strokes.forEach((stroke) => drawFrom(stroke, 0));
  keep();
}

function add(stroke, event) {
  const [x, y] = place(event);
  const last = stroke.at(-1);
  if (strokes.flat().length >= MOST_POINTS || (last && last[0] === x && last[1] === y)) return;
  stroke.push([x, y]);
  drawFrom(stroke, Math.max(0, stroke.length - 2));
}

canvas.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  strokes.push([]);
  add(strokes.at(-1), event);
});
canvas.addEventListener("pointermove", (event) => {
  if (!canvas.hasPointerCapture(event.pointerId)) return;
  // A fast hand makes several points between two frames.
  const points = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const point of points.length ? points : [event]) add(strokes.at(-1), point);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => {
    strokes = strokes.filter((stroke) => stroke.length);
    keep();
  });
}
undo.addEventListener("click", () => change(strokes.slice(0, -1)));
clear.addEventListener("click", () => change([]));
window.addEventListener("resize", fit);

// A browser that is too old for pointers keeps the field for the name.
if (window.PointerEvent) {
  pad.hidden = false;
  typed.open = typed.querySelector("input").value !== "";
  fit();
  keep();
}
