// The last results: a click shows one again.
element.addEventListener("click", (event) => {
  const one = event.target.closest("[data-number]");
  if (one) trigger("choose", { number: Number(one.dataset.number) });
});
