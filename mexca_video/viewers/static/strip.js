// A drawn time axis with a cursor. The kernel draws the axis once; the cursor, episodes and events lie over it as
// elements of the page. What is clicked, moved and pressed goes to the kernel, which answers with new lists.

const NEAR = 4; // pixels by which a hand may slip in a click
const EDGE = 6; // pixels at the ends of an event by which its end is held
const LANE = 22; // pixels of height
const FRAME_KEYS = ["ArrowLeft", "ArrowRight", "Home", "End", "n", "p"];
const EVENT_KEYS = ["e", "i", "o", "x", ",", ".", "Delete", "Backspace", "Escape", "F2", "Shift+ArrowLeft",
  "Shift+ArrowRight", "Ctrl+z", "Ctrl+y", "Ctrl+Shift+z"];

function add(parent, kind, className, text) {
  const element = document.createElement(kind);
  element.className = className;
  if (text !== undefined) element.textContent = text;
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

// An element from one second to another, cut at the ends of the axis.
function spread(element, model, onset, end) {
  const [first, last] = model.get("limits");
  const from = shareOf(Math.min(last, Math.max(first, onset)), model);
  const to = shareOf(Math.min(last, Math.max(first, end)), model);
  element.style.left = `${100 * from}%`;
  element.style.width = `${100 * (to - from)}%`;
}

// A key with what is held beside it, such as "Ctrl+z". On some keyboards AltGr counts as Ctrl and Alt.
function nameKey(event) {
  const held = event.ctrlKey && !event.altKey || event.metaKey;
  const letter = event.key.length === 1;
  const shifted = event.shiftKey && (held || !letter);
  return `${held ? "Ctrl+" : ""}${shifted ? "Shift+" : ""}${letter ? event.key.toLowerCase() : event.key}`;
}

// Lanes of events above the picture, episodes over it, and the cursor over both.
function build(el) {
  const box = add(el, "div", "mexca-strip");
  const track = add(box, "div", "mexca-events");
  const plot = add(box, "div", "mexca-plot");
  const image = add(plot, "img", "");
  const marks = add(plot, "div", "mexca-marks");
  const cursor = add(box, "div", "mexca-cursor");
  box.tabIndex = 0;
  box.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the strip
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "timeline");
  track.setAttribute("role", "group");
  track.setAttribute("aria-label", "events");
  image.draggable = false;
  image.alt = "timeline";
  return { box, track, plot, image, marks, cursor };
}

function addEvent({ track }, model, one, index) {
  const bar = add(track, "button", "mexca-event", one.end > one.onset ? one.type : "");
  bar.dataset.index = index;
  bar.title = one.title;
  bar.setAttribute("aria-label", one.title);
  bar.style.background = one.color;
  bar.style.top = `${LANE * one.lane + 1}px`;
  bar.classList.toggle("mexca-excluded", one.excluded);
  spread(bar, model, one.onset, one.end);
  bar.onclick = event => {
    if (event.detail === 0) model.send({ choose: index }); // by a key; the mouse is heard by the lanes
  };
}

function markChosen({ track }, model) {
  const chosen = model.get("selected");
  for (const bar of track.children) bar.setAttribute("aria-pressed", Number(bar.dataset.index) === chosen);
}

// The bars are made anew; the keys stay where they were.
function drawEvents(parts, model) {
  const { box, track } = parts;
  const events = model.get("events");
  const held = track.contains(document.activeElement);
  track.hidden = !model.get("editable");
  track.style.height = `${LANE * Math.max(1, ...events.map(one => one.lane + 1))}px`;
  track.replaceChildren();
  for (const [index, one] of events.entries()) addEvent(parts, model, one, index);
  markChosen(parts, model);
  if (held) (track.querySelector("[aria-pressed=true]") ?? box).focus({ preventScroll: true });
}

function drawEpisodes({ marks }, model) {
  marks.replaceChildren();
  for (const one of model.get("episodes")) {
    const bar = add(marks, "button", "mexca-episode");
    bar.title = one.title;
    bar.setAttribute("aria-label", one.title);
    bar.style.top = `${100 * one.top}%`;
    bar.style.height = `${100 * one.height}%`;
    spread(bar, model, one.onset, one.offset);
    bar.onclick = () => model.send({ go: one.peak });
    bar.onpointerdown = event => event.stopPropagation();
  }
}

// What the mouse holds: an event, one of its ends, or a new event that begins here.
function hold(bar, event, model, time) {
  const start = { index: -1, part: "new", from: event.clientX, time, onset: time, end: time, moved: false };
  if (!bar) return start;
  const index = Number(bar.dataset.index);
  const place = bar.getBoundingClientRect();
  const known = model.get("events")[index];
  const wide = place.width > 3 * EDGE;
  let part = "all";
  if (wide && event.clientX - place.left < EDGE) part = "onset";
  if (wide && place.right - event.clientX < EDGE) part = "end";
  return { ...start, index, part, onset: known.onset, end: known.end };
}

// Onset and end of what is held, and the second that the eye follows.
function moved(held, time, [first, last]) {
  const { part, onset, end } = held;
  if (part === "new") return [Math.min(held.time, time), Math.max(held.time, time), time];
  if (part === "onset") return [Math.min(time, end), end, Math.min(time, end)];
  if (part === "end") return [onset, Math.max(time, onset), Math.max(time, onset)];
  const room = last - (end > last ? onset : end); // what reaches beyond the axis may stay there
  const by = Math.min(Math.max(0, room), Math.max(Math.min(0, first - onset), time - held.time));
  return [onset + by, end + by, onset + by];
}

// The mouse on the picture: a click or a drag shows the moment.
function lookByMouse(plot, timeOf, wish) {
  plot.addEventListener("pointerdown", event => {
    plot.setPointerCapture(event.pointerId); // a drag goes on outside of the picture
    wish(timeOf(event));
  });
  plot.addEventListener("pointermove", event => {
    if (event.buttons) wish(timeOf(event));
  });
}

// The mouse on the lanes of events.
function editByMouse(parts, model, timeOf, wish) {
  const { box, track } = parts;
  let held = null;
  let bar = null;
  let last = null; // what was held before

  track.addEventListener("pointerdown", event => {
    if (event.button) return;
    event.stopPropagation();
    bar = event.target.closest(".mexca-event");
    held = hold(bar, event, model, timeOf(event));
    track.setPointerCapture(event.pointerId);
    (bar ?? box).focus({ preventScroll: true });
  });
  track.addEventListener("pointermove", event => {
    event.stopPropagation();
    if (!held || !held.moved && Math.abs(event.clientX - held.from) < NEAR) return;
    if (!held.moved) bar ??= add(track, "div", "mexca-event mexca-new");
    held.moved = true;
    const [onset, end, shown] = moved(held, timeOf(event), model.get("limits"));
    spread(bar, model, onset, end);
    wish(shown);
  });
  track.addEventListener("pointerup", event => {
    if (!held) return;
    const { index } = held;
    const [onset, end] = moved(held, timeOf(event), model.get("limits"));
    if (held.moved) model.send(index < 0 ? { add: [onset, end] } : { move: [index, onset, end] });
    else model.send(index < 0 ? { choose: -1, go: held.time } : { choose: index });
    last = held;
    held = null;
  });
  track.addEventListener("pointercancel", () => {
    held = null;
    drawEvents(parts, model);
  });
  track.addEventListener("dblclick", () => {
    if (last && last.index < 0 && !last.moved) model.send({ add: [last.time, last.time] });
  });
}

function answerKeys({ box }, model) {
  box.addEventListener("keydown", event => {
    const key = nameKey(event);
    const ours = FRAME_KEYS.includes(key) || model.get("editable") && EVENT_KEYS.includes(key);
    if (!ours) return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ key });
  });
}

function render({ model, el }) {
  const parts = build(el);
  const { box, plot, image, cursor } = parts;

  function load() {
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([model.get("image")], { type: "image/png" }));
  }

  function move() {
    cursor.style.left = `${100 * shareOf(model.get("time"), model)}%`;
    box.dataset.time = model.get("time");
  }

  function timeOf(event) {
    const place = box.getBoundingClientRect();
    return timeAt((event.clientX - place.left) / place.width, model);
  }

  function wish(time) {
    model.set("wanted", time);
    model.save_changes();
  }

  lookByMouse(plot, timeOf, wish);
  editByMouse(parts, model, timeOf, wish);
  answerKeys(parts, model);
  const stop = listen(model, [
    ["change:image", load], ["change:time", move], ["change:episodes", () => drawEpisodes(parts, model)],
    ["change:events", () => drawEvents(parts, model)], ["change:selected", () => markChosen(parts, model)],
    ["change:editable", () => drawEvents(parts, model)],
  ]);
  load();
  move();
  drawEvents(parts, model);
  drawEpisodes(parts, model);
  return () => {
    stop();
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
