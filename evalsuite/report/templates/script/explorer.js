// ---- explorer: filters, list, keys; state lives in the address: #samples?dataset=…&row=… ----------------
const PAGE = 50; // rows in the list at once: enough to skim, few enough to build in a frame
const SORTS = {
  worst: (a, b) => (a.score ?? Infinity) - (b.score ?? Infinity),
  best: (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity),
  slowest: (a, b) => b.latency - a.latency,
  longest: (a, b) => b.length - a.length,
  shortest: (a, b) => a.length - b.length,
};
const CHECKS = {
  flip: (cell, wanted) => cell.flip === wanted || (wanted === "changed" && /won|lost/.test(cell.flip)),
  label: (cell, wanted) => cell.labels.includes(wanted),
  category: (cell, wanted) => cell.categories.includes(wanted),
  score: (cell, wanted) => cell.score !== null && Math.min(3, Math.floor(4 * cell.score)) === Number(wanted),
};
const selects = [...document.querySelectorAll("#filters select")];
const list = byId("list");
const detail = byId("detail");
let state = { sort: data?.sort };
let found = []; // [row, the cell that matched]
let matching = null; // the rows that hold the words searched for
let searches = 0;
let shows = 0;

function filter() {
  const active = Object.keys(state).filter((name) => state[name] && !["q", "sort", "row", "variant"].includes(name));
  const matches = (cell) => active.every((name) => (CHECKS[name] ? CHECKS[name](cell, state[name]) : cell[name] === state[name]));
  found = [];
  for (const row of rows.filter((one) => !matching || matching.has(one))) {
    const cells = state.variant ? [row.cells.get(state.variant)] : [...row.cells.values()];
    const cell = cells.find((one) => one && matches(one));
    if (cell) found.push([row, cell]);
  }
  const change = ([{ cells }, cell]) => Math.abs(cell.score - (cells.get(data.baseline)?.score ?? cell.score));
  if (SORTS[state.sort]) found.sort(([, a], [, b]) => SORTS[state.sort](a, b));
  else if (state.flip) found.sort((a, b) => change(b) - change(a));
}

function writeAddress() {
  history.replaceState(null, "", "#samples?" + new URLSearchParams(Object.entries(state).filter(([, value]) => value)));
}

function change(changes) {
  Object.assign(state, changes);
  writeAddress();
  if ("q" in changes) find();
  else refresh();
}

async function find() {
  const words = (state.q || "").trim().toLowerCase();
  const turn = (searches += 1);
  const isWanted = () => turn === searches;
  matching = words ? await search(words, isWanted, (share) => { byId("found").textContent = `searching, ${Math.round(100 * share)} %`; }) : null;
  if (isWanted()) refresh();
}

const selected = () => found.findIndex(([row]) => row.key === state.row);

function refresh() {
  filter();
  for (const select of selects) {
    select.value = state[select.name] || "";
    select.classList.toggle("set", Boolean(select.value));
  }
  if (byId("query").value.trim() !== (state.q || "").trim()) byId("query").value = state.q || "";
  byId("clear").hidden = !Object.keys(state).some((name) => name !== "row" && state[name]);
  show(Math.max(0, selected()));
}

function show(index, intoView = false) {
  state.row = found[index]?.[0].key || "";
  showList(index);
  showDetail(...(found[index] || []));
  if (intoView) list.querySelector("[aria-selected=true]").scrollIntoView({ block: "nearest" });
}

// The last paragraph of what the user said last: instructions and examples stand before it. One so short is "Answer:".
function questionOf(messages) {
  const [, text] = messages.findLast(([speaker, said]) => speaker === "user" && !flat(said).startsWith("Observation:")) || messages.at(-1) || ["", "(no prompt)"];
  const parts = flat(text).trim().split("\n\n");
  return parts.slice(parts.at(-1).length < 12 ? -2 : -1).join(" ").slice(0, 220);
}

function mark(cell) {
  const [kind, words] = verdictOf(cell);
  return make("span", "mark " + kind, kind === "partial" ? scoreOf(cell) : words);
}

function rowNode([row, cell], isSelected) {
  const base = row.cells.get(data.baseline);
  const other = base === cell ? [...row.cells.values()].find((one) => one !== base) : cell;
  const marks = base && other ? [mark(base), " → ", mark(other)] : [mark(cell)];
  const text = make("div", "row-text");
  text.dir = "auto";
  bodyOf(cell).then((body) => appendVisible(text, questionOf(body.messages)));
  const node = make("li", "row", make("div", "row-head", make("span", "", [...new Set([row.dataset, row.subset, row.title])].join("/")), make("span", "marks", ...marks)), text);
  node.role = "option";
  node.ariaSelected = String(isSelected);
  node.onclick = () => move(found.findIndex(([one]) => one === row));
  return node;
}

function showList(index) {
  const start = Math.floor(index / PAGE) * PAGE;
  const shown = found.slice(start, start + PAGE);
  byId("found").textContent = found.length === rows.length ? `${count(rows.length)} sample${rows.length > 1 ? "s" : ""}` : `${count(found.length)} of ${count(rows.length)}`;
  byId("pages").textContent = shown.length ? `${count(start + 1)} to ${count(start + shown.length)}` : "";
  byId("previous").disabled = start === 0;
  byId("next").disabled = start + PAGE >= found.length;
  list.replaceChildren(...(shown.length ? shown.map((one, at) => rowNode(one, start + at === index)) : [make("li", "empty", "No sample matches.")]));
}

async function showDetail(row, cell) {
  const turn = (shows += 1);
  const others = row && (state.variant || state.flip ? [data.baseline, cell.variant] : [data.baseline, ...row.cells.keys()]);
  const nodes = row ? await detailOf(row, [...new Set(others)]) : [];
  if (turn !== shows) return;
  detail.replaceChildren(...nodes);
  detail.scrollTop = 0;
}

function move(to) {
  if (to < 0 || to >= found.length) return;
  show(to, true);
  writeAddress();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = event.target.closest("input, select");
  const inList = event.target.closest("#list");
  const step = !inField && { j: 1, k: -1, ArrowDown: inList && 1, ArrowUp: inList && -1 }[event.key];
  if (step) move(selected() + step);
  else if (!inField && event.key === "/") byId("query").focus();
  else if (inField && event.key === "Escape") inField.blur();
  else return;
  event.preventDefault(); // also of Escape: the browser would empty the field and tell nobody
}

function onAddress() {
  if (!location.hash.startsWith("#samples?")) return;
  state = Object.fromEntries(new URLSearchParams(location.hash.slice(9)));
  find();
  byId("samples").scrollIntoView();
}

async function startExplorer() {
  readIndex(JSON.parse(await unpack(data.index)));
  byId("filters").onsubmit = (event) => event.preventDefault();
  byId("query").oninput = () => change({ q: byId("query").value });
  for (const select of selects) select.onchange = () => change({ [select.name]: select.value });
  byId("clear").onclick = () => { state = { row: state.row }; change({ q: "" }); };
  for (const [id, step] of [["previous", -1], ["next", 1]]) byId(id).onclick = () => move((Math.floor(selected() / PAGE) + step) * PAGE);
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", onAddress);
  byId("plain-rows").hidden = true;
  byId("explorer").hidden = false;
  if (rows.some(({ cells }) => [...cells.values()].some((cell) => CHECKS.flip(cell, "changed")))) state = { flip: "changed" };
  refresh();
  onAddress();
}

if (data && globalThis.DecompressionStream) startExplorer();
else if (data) byId("no-unpacking").hidden = false;
