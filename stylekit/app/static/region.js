// Drawing in the photo: a box, or strokes of a round brush. All positions are shares of the picture.
let strokes = [], line = null, shown = null;
const canvas = () => element.querySelector("canvas");
const radius = () => element.querySelector("input").value / 100;
function position(event) {
  const box = canvas().getBoundingClientRect();
  const share = (value, start, extent) => Math.round(1e4 * Math.min(1, Math.max(0, (value - start) / extent))) / 1e4;
  return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
}
function corners() {
  const [a, b] = [line[0], line[line.length - 1]];
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
}
function draw() {
  const pad = canvas(), pen = pad.getContext("2d");
  pad.width = pad.clientWidth;
  pad.height = pad.clientHeight;
  if (!line) return;
  pen.strokeStyle = "#f97316";
  if (props.value.tool === "box") {
    const [left, top, right, bottom] = corners();
    pen.lineWidth = 3;
    pen.strokeRect(left * pad.width, top * pad.height, (right - left) * pad.width, (bottom - top) * pad.height);
    return;
  }
  pen.globalAlpha = 0.6;
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = 2 * radius() * Math.max(pad.width, pad.height);
  pen.beginPath();
  for (const [x, y] of [line[0], ...line]) pen.lineTo(x * pad.width, y * pad.height);
  pen.stroke();
}
element.addEventListener("pointerdown", (event) => {
  if (event.target !== canvas()) return;
  event.preventDefault();
  canvas().setPointerCapture(event.pointerId);
  line = [position(event)];
  draw();
});
element.addEventListener("pointermove", (event) => {
  if (!line) return;
  line.push(position(event));
  draw();
});
element.addEventListener("pointerup", () => {
  if (!line) return;
  if (props.value.tool === "box") {
    trigger("region", { box: corners() });
  } else {
    strokes.push({ radius: radius(), points: line });
    trigger("region", { strokes });
  }
  line = null;
});
element.addEventListener("pointercancel", () => {
  line = null;
  draw();
});
element.addEventListener("click", (event) => {
  if (!event.target.closest("button")) return;
  strokes = [];
  trigger("region", {});
});
watch("value", () => {
  const now = props.value.photo + props.value.tool;
  if (now !== shown) strokes = [];
  shown = now;
  draw();
});
