// The slider between before and after: at 0 the result is shown, at 100 the photo.
let share = 0, shown = "", on = false;
function divide() {
  const input = element.querySelector(".compare input");
  input.value = share;
  element.querySelector(".before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  const line = element.querySelector(".line");
  line.style.left = `${share}%`;
  line.style.opacity = share > 0 && share < 100 ? 1 : 0;
}
element.addEventListener("input", (event) => {
  if (!event.target.closest(".compare")) return;
  share = Number(event.target.value);
  divide();
});
function drag(event) {
  if (!props.value.before || !event.target.closest(".frame") || !event.buttons) return;
  event.preventDefault();
  const box = element.querySelector(".frame").getBoundingClientRect();
  share = Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width));
  divide();
}
element.addEventListener("pointerdown", drag);
element.addEventListener("pointermove", drag);
watch("value", () => {
  const now = props.value;
  if (now.before !== shown) share = 0;
  shown = now.before;
  if (now.on && !on) element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  on = now.on;
  divide();
});
divide();
