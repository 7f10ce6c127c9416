// Draws a signature and sends it as strokes: points, never an image. Without this script the name is typed instead.
const pad = document.querySelector(".pad");
const canvas = pad.querySelector("canvas");
const field = document.querySelector("input[name=strokes]");
const context = canvas.getContext("2d");
const MOST_POINTS = 4000; // far below the 64 kB that a signature may take
let strokes = [];
let points = 0;

pad.hidden = false;

function place(event) {
  const box = canvas.getBoundingClientRect();
  const scale = (value, size, from) => Math.max(0, Math.min(from, Math.round((value / size) * from)));
  return [
    scale(event.clientX - box.left, box.width, canvas.width),
    scale(event.clientY - box.top, box.height, canvas.height),
  ];
}

function draw() {
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = 4;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "#14213d";
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }
}

function keep() {
  field.value = strokes.length ? JSON.stringify({ width: canvas.width, height: canvas.height, strokes }) : "";
}

function add(event) {
  if (points >= MOST_POINTS) return;
  strokes.at(-1).push(place(event));
  points += 1;
  draw();
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  strokes.push([]);
  add(event);
});
canvas.addEventListener("pointermove", (event) => {
  if (canvas.hasPointerCapture(event.pointerId)) add(event);
});
canvas.addEventListener("pointerup", keep);
canvas.addEventListener("pointercancel", keep);
pad.querySelector("[data-clear]").addEventListener("click", () => {
  strokes = [];
  points = 0;
  draw();
  keep();
});
