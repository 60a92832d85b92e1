// A place for a picture: a file that is chosen, dropped or pasted, or an example.
function tell(problem) {
  const note = element.querySelector(".note");
  note.textContent = problem;
  note.classList.add("problem");
  element.classList.remove("reading");
}
async function send(file) {
  if (!file) return;
  if (file.size > props.most) {
    tell(`The file has ${(file.size / 1e6).toFixed(1)} MB. The limit is ${props.most / 1e6} MB.`);
    return;
  }
  element.classList.add("reading");
  try {
    const answer = await fetch("upload", { method: "POST", body: file });
    const said = await answer.text();
    if (answer.ok) trigger("upload", { file: said });
    else tell(said);
  } catch {
    tell("The picture could not be sent. Try again.");
  }
}
element.addEventListener("change", (event) => {
  send(event.target.files[0]);
  event.target.value = ""; // the same file can be chosen again
});
element.addEventListener("click", (event) => {
  const example = event.target.closest("[data-example]");
  if (example) trigger("upload", { example: example.dataset.example });
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});
element.addEventListener("paste", (event) => send(event.clipboardData.files[0]));
watch("value", () => element.classList.remove("reading"));
