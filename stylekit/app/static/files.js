// Files are made in the browser, of what the page holds: the server keeps none.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-file]");
  if (!button) return;
  const [head, body] = props.value[button.dataset.file].split(",");
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] }));
  link.download = { picture: "stylekit.png", manifest: "stylekit.json" }[button.dataset.file];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
});
