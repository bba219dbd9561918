// Rows of thumbnails that can be chosen, below questions that can be answered. What is chosen and answered goes
// to the kernel, which sends new rows. Pictures come apart from the rows, when they are asked for.

const PATIENCE = 30; // milliseconds in which thumbnails that come into sight are asked for together
const MARGIN = "200px"; // so far below the window a thumbnail counts as seen

function add(parent, kind, className, text) {
  const element = document.createElement(kind);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// Pictures are asked for when they come into sight, and kept.
function askForPictures(model) {
  const known = new Map();
  const wanted = new Set();
  let timer = null;

  function ask() {
    timer = null;
    model.send({ want: [...wanted] });
    wanted.clear();
  }

  function seen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      eye.unobserve(target);
      wanted.add(target.dataset.pic);
      if (!timer) timer = setTimeout(ask, PATIENCE);
    }
  }

  const eye = new IntersectionObserver(seen, { rootMargin: MARGIN });
  return { known, eye, stop: () => clearTimeout(timer) };
}

function showPicture({ known, eye }, image, name) {
  image.dataset.pic = name;
  if (known.has(name)) image.src = known.get(name);
  else eye.observe(image);
}

function takePictures({ known }, box, message) {
  for (const [name, source] of Object.entries(message.pictures || {})) known.set(name, source);
  for (const image of box.querySelectorAll("img[data-pic]:not([src])")) {
    if (known.has(image.dataset.pic)) image.src = known.get(image.dataset.pic);
  }
}

function choose(model, keys, on) {
  const chosen = new Set(model.get("chosen"));
  for (const key of keys) {
    if (on) chosen.add(key);
    else chosen.delete(key);
  }
  model.set("chosen", [...chosen]);
  model.save_changes();
}

function markChosen(model, box) {
  const chosen = new Set(model.get("chosen"));
  for (const thumb of box.querySelectorAll(".mexca-thumb")) {
    thumb.setAttribute("aria-pressed", chosen.has(thumb.dataset.key));
  }
}

function addThumb(parent, kind, thumb, color, pictures) {
  const element = add(parent, kind, "mexca-thumb");
  const image = add(element, "img", "");
  image.alt = ""; // the label of the whole says it
  element.title = thumb.title;
  element.setAttribute("aria-label", `${thumb.title}, ${thumb.caption}`);
  element.style.borderColor = color;
  showPicture(pictures, image, thumb.pic);
  return element;
}

function addProposal({ model, box, pictures }, proposal) {
  const line = add(box, "div", "mexca-proposal");
  line.dataset.key = proposal.key;
  add(line, "div", "mexca-question", proposal.text);
  for (const part of proposal.parts) {
    const side = add(line, "div", "mexca-side");
    add(side, "b", "", part.name);
    const thumbs = add(side, "div", "mexca-thumbs");
    for (const thumb of part.thumbs) addThumb(thumbs, "div", thumb, part.color, pictures);
  }
  const answers = add(line, "div", "mexca-answers");
  for (const [text, answer] of [[proposal.accept, "accept"], ["Dismiss", "dismiss"]]) {
    const button = add(answers, "button", "mexca-answer", text);
    button.onclick = () => model.send({ answer, key: proposal.key });
  }
}

// The head of a row chooses all of it, also what is not shown; once more, and none of it.
function addHead(line, model, row) {
  const head = add(line, "button", "mexca-head");
  const keys = [...row.thumbs.map(thumb => thumb.key), ...row.rest];
  add(head, "b", "", row.name).style.borderBottom = `3px solid ${row.color}`;
  add(head, "span", "", row.text);
  head.title = "choose all of this row, or none";
  head.onclick = () => choose(model, keys, !keys.every(key => model.get("chosen").includes(key)));
}

function addPerson({ model, box, pictures }, row) {
  const line = add(box, "div", "mexca-person");
  line.dataset.slot = row.slot;
  addHead(line, model, row);
  const thumbs = add(line, "div", "mexca-thumbs");
  for (const thumb of row.thumbs) {
    const button = addThumb(thumbs, "button", thumb, row.color, pictures);
    button.dataset.key = thumb.key;
    add(button, "span", "", thumb.caption);
    button.onclick = () => choose(model, [thumb.key], !model.get("chosen").includes(thumb.key));
  }
  if (!row.rest.length) return;
  const more = add(thumbs, "button", "mexca-more", `${row.rest.length} more`);
  more.onclick = () => model.send({ more: row.slot });
}

function draw(view) {
  view.pictures.eye.disconnect();
  view.box.replaceChildren();
  for (const proposal of view.model.get("proposals")) addProposal(view, proposal);
  for (const row of view.model.get("rows")) addPerson(view, row);
  markChosen(view.model, view.box);
}

// One message changes rows and questions: act once, when both are there.
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

function render({ model, el }) {
  const box = add(el, "div", "mexca-gallery");
  const pictures = askForPictures(model);
  const view = { model, box, pictures };
  box.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the gallery
  const changed = together(() => draw(view));
  const stop = listen(model, [
    ["change:rows", changed],
    ["change:proposals", changed],
    ["change:chosen", () => markChosen(model, box)],
    ["msg:custom", message => takePictures(pictures, box, message)],
  ]);
  draw(view);
  return () => {
    stop();
    pictures.eye.disconnect();
    pictures.stop();
  };
}

export default { render };
