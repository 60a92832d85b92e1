// Drawing in the photo: a box, tapped points, or strokes of a round brush.
// Positions are relative to the width and height of the picture.
const subject = () => props.value.photo + props.value.tool;
let done = [], line = null, shown = subject();
const canvas = () => element.querySelector("canvas");
const radius = () => element.querySelector(".width input").value / 100;
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
  const pad = canvas(), pen = pad.getContext("2d"), tool = props.value.tool;
  pad.width = pad.clientWidth;
  pad.height = pad.clientHeight;
  pen.strokeStyle = pen.fillStyle = "#f97316";
  if (tool === "tap") {
    for (const [x, y] of done) {
      pen.beginPath();
      pen.arc(x * pad.width, y * pad.height, 6, 0, 7);
      pen.fill();
      pen.lineWidth = 2;
      pen.strokeStyle = "#fff";
      pen.stroke();
    }
  }
  if (!line) return;
  if (tool === "box" || tool === "subject") {
    const [left, top, right, bottom] = corners();
    pen.lineWidth = 3;
    pen.strokeRect(left * pad.width, top * pad.height, (right - left) * pad.width, (bottom - top) * pad.height);
  } else if (tool === "brush") {
    pen.globalAlpha = 0.6;
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = 2 * radius() * Math.max(pad.width, pad.height);
    pen.beginPath();
    for (const [x, y] of [line[0], ...line]) pen.lineTo(x * pad.width, y * pad.height);
    pen.stroke();
  }
}
function send(data) {
  element.classList.add("reading");
  element.querySelector(".note").textContent = "Looking for the region …";
  element.querySelector(".note").classList.remove("problem");
  trigger("region", data);
}
function sendDone() {
  const tool = props.value.tool;
  if (done.length === 0) send({});
  else if (tool === "tap") send({ points: done });
  else if (tool === "brush") send({ strokes: done });
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
  const tool = props.value.tool;
  if (tool === "tap") done.push(line[line.length - 1]);
  if (tool === "brush") done.push({ radius: radius(), points: line });
  const box = corners();
  if (tool === "tap") line = null;
  draw();
  line = null;
  if (tool === "box" || tool === "subject") send({ box });
  else sendDone();
});
element.addEventListener("pointercancel", () => {
  line = null;
  draw();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  if (button.dataset.do === "undo") done.pop();
  else done = [];
  sendDone();
});
watch("value", () => {
  element.classList.remove("reading");
  if (subject() !== shown) done = [];
  shown = subject();
  draw();
});
