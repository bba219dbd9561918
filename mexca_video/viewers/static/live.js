// Nothing to be seen: where a kernel runs, the still picture of the viewer is hidden.

function render({ model, el }) {
  el.style.display = "none";
  const selector = `img.mexca-still[data-viewer="${model.get("viewer")}"]`;

  function hide() {
    for (const still of document.querySelectorAll(selector)) still.style.display = "none";
  }

  hide();
  const timer = setTimeout(hide, 500); // once more, for a picture that comes after its widget
  return () => clearTimeout(timer);
}

export default { render };
