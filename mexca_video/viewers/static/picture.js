// A picture with faces drawn over it. The kernel sends a JPEG and a list of faces; boxes, names and landmarks
// are drawn here, so that a toggle needs no new picture. Clicks and keys go back to the kernel.

const KEYS = ["ArrowLeft", "ArrowRight", "Home", "End", "n", "p"];
const SVG = "http://www.w3.org/2000/svg";
const NOTHING = { faces: [], size: [1, 1], frame: -1, alt: "" };
const LINE_OF_TEXT = 0.05; // height of a line of the action units, as a share of the picture's height
const NAME_ROOM = 0.06; // room for a name above the box, likewise
const BAR = 40; // pixels of the bar of an action unit of 1

function add(parent, kind, className, text) {
  const element = document.createElement(kind);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function addShape(svg, kind, attributes) {
  const shape = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  svg.append(shape);
}

// White lies under the colour, so that the line is seen on dark and on bright pictures.
function outline(svg, kind, attributes, color, width) {
  const fixed = { fill: "none", "vector-effect": "non-scaling-stroke", ...attributes };
  addShape(svg, kind, { ...fixed, stroke: "white", "stroke-opacity": 0.7, "stroke-width": width + 1.5 });
  addShape(svg, kind, { ...fixed, stroke: color, "stroke-width": width });
}

// Names are HTML and not SVG: the letters keep their size when the picture is made smaller.
function place(label, face, left, top, transform) {
  label.style.left = `${100 * Math.max(0, left)}%`;
  label.style.top = `${100 * top}%`;
  label.style.background = face.color;
  label.style.color = face.ink;
  label.style.transform = transform;
}

function drawBox(svg, face, chosen) {
  const [x1, y1, x2, y2] = face.box;
  const look = { x: x1, y: y1, width: x2 - x1, height: y2 - y1, "data-slot": face.slot };
  if (chosen) look.class = "mexca-selected";
  if (face.doubtful) look["stroke-dasharray"] = "6 4";
  outline(svg, "rect", look, face.color, chosen ? 5 : 2);
}

function drawLandmarks(svg, face) {
  for (const line of face.lines) {
    const points = line.map(point => point.join(",")).join(" ");
    outline(svg, "polyline", { points }, face.color, 1);
  }
}

function drawName(labels, face, text, [width, height]) {
  const [x1, y1] = face.box;
  const top = Math.max(y1, NAME_ROOM * height) / height;
  place(add(labels, "span", "mexca-name", text), face, x1 / width, top, "translateY(-100%)");
}

function drawActionUnits(labels, face, [width, height]) {
  const [x1, , , y2] = face.box;
  const lowest = (1 - LINE_OF_TEXT * face.aus.length) * height;
  const list = add(labels, "div", "mexca-aus");
  place(list, face, x1 / width, Math.min(y2, lowest) / height, "");
  for (const [au, value] of face.aus) {
    const row = add(list, "div", "mexca-au", value === null ? `${au} –` : `${au} ${value.toFixed(2)}`);
    add(row, "i", "").style.width = `${BAR * Math.min(1, Math.max(0, value || 0))}px`;
  }
}

function drawFace(svg, labels, face, show, chosen, size) {
  if (show.includes("boxes") || chosen) drawBox(svg, face, chosen);
  if (show.includes("landmarks")) drawLandmarks(svg, face);
  const parts = [show.includes("names") && face.label, show.includes("tracks") && face.note];
  const text = parts.filter(Boolean).join(" · ");
  if (text) drawName(labels, face, text, size);
  if (show.includes("aus") && face.aus.length) drawActionUnits(labels, face, size);
}

// The picture, decoded before it is shown, or null.
async function decode(bytes) {
  const image = new Image();
  image.className = "mexca-image";
  image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  try {
    await image.decode();
    return image;
  } catch {
    URL.revokeObjectURL(image.src);
    return null;
  }
}

// The slot of the face under a click, -1 if there is none; of several the smallest.
function slotAt(event, image, { faces, size: [width, height] }) {
  const edges = image.getBoundingClientRect();
  const x = (event.clientX - edges.left) / edges.width * width;
  const y = (event.clientY - edges.top) / edges.height * height;
  const hit = faces.filter(({ box: [x1, y1, x2, y2] }) => x1 <= x && x <= x2 && y1 <= y && y <= y2);
  hit.sort((one, other) => (one.box[2] - one.box[0]) - (other.box[2] - other.box[0]));
  return hit.length ? hit[0].slot : -1;
}

// One message changes several parts: act once, when all of them are there.
function together(act) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      act();
    });
  };
}

function listen(model, ears) {
  for (const [event, ear] of ears) model.on(event, ear);
  return () => {
    for (const [event, ear] of ears) model.off(event, ear);
  };
}

// An empty picture in three layers: the image, the lines over it, the names over those.
function build(el) {
  const box = add(el, "div", "mexca-picture");
  const image = add(box, "img", "mexca-image");
  const svg = document.createElementNS(SVG, "svg");
  box.append(svg);
  const labels = add(box, "div", "mexca-labels");
  box.tabIndex = 0;
  box.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the picture
  box.setAttribute("role", "img");
  return { box, image, svg, labels };
}

// What goes with the picture that is being decoded; the model may go on meanwhile.
function take(model) {
  return { faces: model.get("faces"), size: model.get("size"), frame: model.get("frame"), alt: model.get("alt") };
}

function draw({ box, svg, labels }, model, shown) {
  const chosen = model.get("selected");
  svg.setAttribute("viewBox", `0 0 ${shown.size.join(" ")}`);
  svg.replaceChildren();
  labels.replaceChildren();
  for (const face of shown.faces) {
    drawFace(svg, labels, face, model.get("show"), face.slot === chosen, shown.size);
  }
  box.dataset.frame = shown.frame;
  box.dataset.selected = chosen;
  box.setAttribute("aria-label", shown.alt);
}

// Clicks and keys. `now` gives the image and the faces that are shown.
function answer(box, model, now) {
  box.addEventListener("click", event => {
    model.set("selected", slotAt(event, ...now()));
    model.save_changes();
    box.focus();
  });
  box.addEventListener("keydown", event => {
    if (!KEYS.includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ key: event.key });
  });
}

function render({ model, el }) {
  const parts = build(el);
  let { image } = parts;
  let shown = NOTHING;
  let turn = 0;

  // Image and faces change in one go, so that no box ever stands on the wrong frame. Of two pictures that are
  // being decoded the later one counts, whichever is ready first.
  async function load() {
    turn += 1;
    const mine = turn;
    const coming = take(model);
    const next = await decode(model.get("image"));
    if (next === null) return;
    if (mine !== turn) {
      URL.revokeObjectURL(next.src);
      return;
    }
    image.replaceWith(next);
    URL.revokeObjectURL(image.src);
    image = next;
    shown = coming;
    draw(parts, model, shown);
    parts.box.dispatchEvent(new CustomEvent("mexca-shown", { bubbles: true }));
  }

  const changed = together(load);
  const redraw = () => draw(parts, model, shown);
  answer(parts.box, model, () => [image, shown]);
  const stop = listen(model, [
    ["change:image", changed],
    ["change:faces", changed],
    ["change:frame", changed],
    ["change:show", redraw],
    ["change:selected", redraw],
  ]);
  load();
  return () => {
    stop();
    turn += 1; // a picture that is still being decoded comes too late
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
