// The pages of a report: a table that sorts, and ratings that stay in this browser until they are downloaded.
// A classic script, not a module: browsers refuse modules in pages that are opened from a folder.

const PLACE = location.pathname.replace(/[^/]*$/, "");
const KEY = `mexca_video ratings of ${PLACE}`;

function readRatings() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function say(text) {
  for (const place of document.querySelectorAll("[data-message]")) place.textContent = text;
}

function keepRating(id, rating, note) {
  const ratings = readRatings();
  ratings[id] = { rating, note };
  try {
    localStorage.setItem(KEY, JSON.stringify(ratings));
    say(`Kept in this browser: ${id}, ${rating || "not rated"}.`);
  } catch (error) {
    say(`This browser keeps no ratings (${error.name}). Download them before you leave this page.`);
  }
}

// One place where a video is rated: a choice and a note.
function connect(place) {
  const id = place.dataset.rate;
  const choice = place.querySelector("select");
  const note = place.querySelector("input");
  const kept = readRatings()[id];
  if (kept) {
    choice.value = kept.rating;
    note.value = kept.note;
  }
  const change = () => {
    place.dataset.rating = choice.value;
    keepRating(id, choice.value, note.value);
    count();
  };
  place.dataset.rating = choice.value;
  choice.addEventListener("change", change);
  note.addEventListener("input", change);
}

function listRatings() {
  return [...document.querySelectorAll("[data-rate]")].map(place => ({
    id: place.dataset.rate,
    rating: place.querySelector("select").value,
    note: place.querySelector("input").value,
  }));
}

function count() {
  for (const place of document.querySelectorAll("[data-count]")) {
    const rated = listRatings().filter(one => one.rating);
    place.textContent = `${rated.length} of ${listRatings().length} videos are rated.`;
  }
}

function writeLines() {
  const plain = text => text.replace(/\s+/g, " ").trim();
  const rows = listRatings().filter(one => one.rating || one.note.trim());
  return ["id\trating\tnote", ...rows.map(one => [one.id, one.rating, plain(one.note)].join("\t")), ""].join("\n");
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([writeLines()], { type: "text/tab-separated-values" }));
  link.download = "ratings.tsv";
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say("Downloaded: ratings.tsv. Give it to apply_ratings, or to mexca-video corpus rate.");
}

// What a cell is sorted by: a number, or text. Empty cells stand last, whichever way.
function valueOf(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.querySelector("select")?.value ?? cell.textContent.trim();
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const down = heads[column].getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map(row => ({ row, value: valueOf(row, column) }));
  rows.sort((a, b) => {
    if (a.value === "" || b.value === "") return (a.value === "") - (b.value === "");
    return down ? compare(b.value, a.value) : compare(a.value, b.value);
  });
  table.tBodies[0].append(...rows.map(one => one.row));
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
}

function makeSortable(table) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
    head.append(button);
  }
}

document.documentElement.classList.add("scripted");
for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
for (const place of document.querySelectorAll("[data-rate]")) connect(place);
for (const button of document.querySelectorAll("[data-download]")) button.addEventListener("click", download);
count();
