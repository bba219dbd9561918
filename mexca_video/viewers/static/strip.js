// A drawn time axis with a cursor. The kernel draws the axis once; only the cursor moves.

function add(parent, kind, className) {
  const element = document.createElement(kind);
  element.className = className;
  parent.append(element);
  return element;
}

// Where a second stands, as a share of the picture's width.
function shareOf(time, model) {
  const [left, right] = model.get("span");
  const [first, last] = model.get("limits");
  return left + (time - first) / (last - first) * (right - left);
}

// The second at a share of the picture's width; beside the axis the nearer end.
function timeAt(share, model) {
  const [left, right] = model.get("span");
  const [first, last] = model.get("limits");
  const part = Math.min(1, Math.max(0, (share - left) / (right - left)));
  return first + part * (last - first);
}

function listen(model, ears) {
  for (const [event, ear] of ears) model.on(event, ear);
  return () => {
    for (const [event, ear] of ears) model.off(event, ear);
  };
}

function render({ model, el }) {
  const box = add(el, "div", "mexca-strip");
  const image = add(box, "img", "");
  const cursor = add(box, "div", "mexca-cursor");
  image.draggable = false;
  image.alt = "timeline";

  function load() {
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([model.get("image")], { type: "image/png" }));
  }

  function move() {
    cursor.style.left = `${100 * shareOf(model.get("time"), model)}%`;
    box.dataset.time = model.get("time");
  }

  function pick(event) {
    const place = box.getBoundingClientRect();
    model.set("wanted", timeAt((event.clientX - place.left) / place.width, model));
    model.save_changes();
  }

  box.addEventListener("pointerdown", event => {
    box.setPointerCapture(event.pointerId); // a drag goes on outside of the picture
    pick(event);
  });
  box.addEventListener("pointermove", event => {
    if (event.buttons) pick(event);
  });
  const stop = listen(model, [["change:image", load], ["change:time", move]]);
  load();
  move();
  return () => {
    stop();
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
