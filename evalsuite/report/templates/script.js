"use strict";
(() => {
  // Text reaches the page through textContent only. State lives in the address: #samples?dataset=…&sample=…
  const PAGE = 50; // rows in the list at once: enough to skim, few enough to build in a frame
  const FOLD = 1400; // longer texts in bubbles start folded, so that prompt and reply fit one screen
  const RECENT = 4; // messages shown unfolded, few-shot examples (messages that samples share) apart
  const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
  const byId = (id) => document.getElementById(id);
  const count = (n) => n.toLocaleString("en-US");

  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    for (const child of children) if (child !== null && child !== undefined && child !== "") node.append(child);
    return node;
  }

  // ---- theme -----------------------------------------------------------------------------------------
  function startTheme() {
    const root = document.documentElement;
    const button = byId("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const remember = (theme) => { try { localStorage.setItem("evalsuite-theme", theme); } catch { /* not allowed here */ } };
    const remembered = () => { try { return localStorage.getItem("evalsuite-theme"); } catch { return null; } };
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      label();
    });
    system.addEventListener("change", label);
    button.hidden = false;
    label();
  }

  // ---- copying, also where the clipboard is out of reach ----------------------------------------------
  async function copy(button) {
    const source = button.parentElement.querySelector("code");
    let done = false;
    try {
      await navigator.clipboard.writeText(source.textContent);
      done = true;
    } catch {
      getSelection().selectAllChildren(source);
      try { done = document.execCommand("copy"); } catch { /* the text stays selected */ }
    }
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  function startCopying() {
    for (const button of document.querySelectorAll(".copy")) {
      button.hidden = false;
      button.addEventListener("click", () => copy(button));
    }
  }

  // ---- text of the model: visible whatever it holds ---------------------------------------------------
  function appendVisible(node, text) {
    let from = 0;
    for (const found of text.matchAll(HIDDEN)) {
      if (found.index > from) node.append(text.slice(from, found.index));
      const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      const mark = make("span", "hidden-character", "U+" + code);
      mark.title = "an invisible character stands here";
      node.append(mark);
      from = found.index + found[0].length;
    }
    node.append(text.slice(from));
  }

  function size(text) {
    return typeof text === "string" ? text.length : text[0].length + text[1].length;
  }

  // A text of the data is a string, or [beginning, end, characters left out].
  function textNode(text, className = "text") {
    const node = make("div", className);
    node.dir = "auto";
    if (typeof text === "string") {
      appendVisible(node, text);
    } else {
      appendVisible(node, text[0]);
      node.append(make("span", "omitted", `… ${count(text[2])} characters left out here; samples.jsonl has them …`));
      appendVisible(node, text[1]);
    }
    return node;
  }

  function flat(text) {
    return !text ? "" : typeof text === "string" ? text : text[0] + " … " + text[1];
  }

  // ---- explorer ---------------------------------------------------------------------------------------
  const FILTERS = ["variant", "dataset", "category", "subset", "outcome", "answer", "label", "stage"];
  const NAMES = { answer: "Right or wrong", stage: "Read by" };
  const ANSWERS = { right: "right", partial: "partly right", wrong: "wrong", none: "not judged" };
  const SORTS = {
    worst: (a, b) => (a.score ?? Infinity) - (b.score ?? Infinity),
    best: (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity),
    slowest: (a, b) => (b.latency ?? -1) - (a.latency ?? -1),
    longest: (a, b) => b.length - a.length,
    shortest: (a, b) => a.length - b.length,
  };
  let messages = [];
  let samples = [];
  let uses = [];
  let variants = 1;
  let found = [];
  let state = {};
  const selects = new Map();

  function valuesOf(sample, name) {
    const several = { label: sample.labels, category: sample.categories };
    return several[name] || [sample[name]];
  }

  // A few-shot example stands in every prompt; searching it would find every sample.
  function isShared(index, sample) {
    return uses[index] > variants && index !== sample.messages.at(-1);
  }

  function haystack(sample) {
    if (sample.haystack === undefined) {
      const own = sample.messages.filter((index) => !isShared(index, sample)).map((index) => flat(messages[index][1]));
      const rest = ["reply", "reasoning", "calls", "gold", "extracted", "verdict", "error"].map((name) => flat(sample[name]));
      sample.haystack = [sample.id, sample.key, sample.subset, ...sample.labels, ...own, ...rest].join("\n").toLowerCase();
    }
    return sample.haystack;
  }

  function filter() {
    const active = FILTERS.filter((name) => state[name]);
    const query = (state.q || "").trim().toLowerCase();
    found = samples.filter(
      (sample) => active.every((name) => valuesOf(sample, name).includes(state[name])) && (!query || haystack(sample).includes(query)),
    );
    if (SORTS[state.sort]) found.sort(SORTS[state.sort]);
  }

  function readAddress() {
    const hash = location.hash;
    state = hash.startsWith("#samples?") ? Object.fromEntries(new URLSearchParams(hash.slice(9))) : {};
  }

  function writeAddress() {
    const filled = Object.entries(state).filter(([, value]) => value);
    history.replaceState(null, "", filled.length ? "#samples?" + new URLSearchParams(filled) : "#samples");
  }

  function buildSelects() {
    for (const name of FILTERS) {
      const values = [...new Set(samples.flatMap((sample) => valuesOf(sample, name)))].filter(Boolean);
      const select = make("select");
      select.id = "filter-" + name;
      const show = (value) => (name === "answer" ? ANSWERS[value] : value);
      select.append(new Option("all", ""), ...values.map((value) => new Option(show(value), value)));
      select.addEventListener("change", () => change({ [name]: select.value }));
      selects.set(name, select);
      const label = make("label", "", make("span", "", NAMES[name] || name[0].toUpperCase() + name.slice(1)), select);
      label.hidden = values.length < 2;
      byId("selects").append(label);
    }
  }

  function showState() {
    for (const [name, select] of selects) {
      select.value = state[name] || "";
      select.classList.toggle("set", Boolean(state[name]));
    }
    byId("sort").value = state.sort || "";
    if (byId("query").value.trim() !== (state.q || "").trim()) byId("query").value = state.q || "";
    byId("clear").hidden = !["q", "sort", ...FILTERS].some((name) => state[name]);
  }

  function change(changes) {
    Object.assign(state, changes);
    refresh();
    writeAddress();
  }

  function refresh() {
    filter();
    showState();
    if (!found.some((sample) => sample.key === state.sample)) state.sample = found.length ? found[0].key : "";
    select(selected());
  }

  function selected() {
    return found.findIndex((sample) => sample.key === state.sample);
  }

  function select(index, intoView = false) {
    state.sample = found.length ? found[Math.max(0, index)].key : "";
    showList(Math.max(0, index));
    showDetail(found[Math.max(0, index)]);
    if (intoView) byId("list").querySelector("[aria-selected=true]").scrollIntoView({ block: "nearest" });
  }

  function verdictOf(sample) {
    if (sample.outcome !== "scored") return [sample.outcome, sample.outcome];
    if (sample.answer !== "none") return [sample.answer, ANSWERS[sample.answer]];
    return ["", sample.scores.length ? sample.scores[0][1] : "scored"];
  }

  // The last thing the user said; of a flat prompt its end, since few-shot examples stand before the question.
  function questionOf(sample) {
    const own = sample.messages.map((index) => messages[index]);
    const [role, text] = own.findLast(([speaker]) => speaker === "user") || own.at(-1) || ["", ""];
    return role === "prompt" ? flat(text).trim().slice(-160) : flat(text).trim().slice(0, 220);
  }

  function rowOf(sample, isSelected) {
    const [kind, words] = verdictOf(sample);
    const value = sample.answer === "partial" ? sample.scores[0][1] : words;
    const place = sample.subset && sample.subset !== sample.dataset ? `${sample.dataset} / ${sample.subset}` : sample.dataset;
    const name = (variants > 1 ? sample.variant + " · " : "") + `${place} · ${sample.id}`;
    const text = make("div", "row-text");
    text.dir = "auto";
    appendVisible(text, questionOf(sample) || "(no prompt)");
    const row = make("li", "row", make("div", "row-head", make("span", "", name), make("span", "mark " + kind, value)), text);
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(isSelected));
    row.dataset.key = sample.key;
    return row;
  }

  function showList(index) {
    const start = Math.floor(index / PAGE) * PAGE;
    const shown = found.slice(start, start + PAGE);
    byId("found").textContent = found.length === samples.length ? samples.length === 1 ? "1 sample" : `${count(samples.length)} samples` : `${count(found.length)} of ${count(samples.length)}`;
    byId("pages").textContent = found.length ? `${count(start + 1)} to ${count(start + shown.length)}` : "";
    byId("previous").disabled = start === 0;
    byId("next").disabled = start + PAGE >= found.length;
    const list = byId("list");
    if (shown.length) list.replaceChildren(...shown.map((sample, offset) => rowOf(sample, start + offset === index)));
    else list.replaceChildren(make("li", "empty", "No sample matches. Clear a filter to see more."));
  }

  function bubble(role, text, className = "") {
    const node = make("div", `bubble ${className || role.replace(/[^a-z]/g, "")}`, make("div", "role", role), textNode(text));
    if (size(text) > FOLD) {
      const button = make("button", "unfold", `Show all ${count(size(text))} characters`);
      button.type = "button";
      node.classList.add("folded");
      button.addEventListener("click", () => { node.classList.remove("folded"); button.remove(); });
      node.append(button);
    }
    return node;
  }

  function conversation(sample) {
    const bubbles = sample.messages.map((index) => bubble(...messages[index]));
    for (const source of sample.pictures ?? []) {
      const picture = make("img", "picture");
      picture.src = source;
      picture.alt = "a picture of the question";
      bubbles.at(-1)?.append(picture);
    }
    const first = sample.messages.findIndex((index, place) => place >= bubbles.length - RECENT && !isShared(index, sample));
    const early = bubbles.slice(0, first);
    if (early.length < 2) return bubbles;
    const fold = make("details", "", make("summary", "", `${early.length} earlier messages`), ...early);
    return [fold, ...bubbles.slice(early.length)];
  }

  function answerBox(label, text) {
    return make("div", "", make("div", "label", label), text ? textNode(text, /^[[{]/.test(flat(text)) ? "text code" : "text") : make("div", "text none", "none"));
  }

  function pairs(items) {
    return make("dl", "pairs", ...items.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
  }

  function chips(sample) {
    const [kind, words] = verdictOf(sample);
    return make("div", "chips", make("span", "chip " + kind, words), ...sample.labels.filter((label) => label !== words).map((label) => make("span", "chip", label)));
  }

  function section(title, ...children) {
    return [make("h4", "", title), ...children];
  }

  function replyParts(sample) {
    const parts = [];
    if (sample.reasoning) {
      parts.push(make("details", "", make("summary", "", `Reasoning, ${count(size(sample.reasoning))} characters`), textNode(sample.reasoning)));
    }
    if (sample.reply) parts.push(bubble("reply", sample.reply, "reply"));
    if (sample.calls) parts.push(bubble("tool calls", sample.calls, "reply code"));
    if (!parts.length) parts.push(make("p", "where", sample.measured ? "The text was measured; nothing was generated." : "The model sent no text."));
    if (sample.verdict) parts.push(bubble("judge", sample.verdict, "judge"));
    return parts;
  }

  function showDetail(sample) {
    const detail = byId("detail");
    detail.scrollTop = 0;
    if (!sample) return detail.replaceChildren();
    const where = [...new Set([sample.variant, sample.dataset, sample.subset])].filter(Boolean).join(" · ");
    detail.replaceChildren(
      make("h3", "", make("bdi", "", sample.id)),
      make("p", "where", where),
      chips(sample),
      sample.error ? textNode(sample.error, "text failure") : "",
      make("div", "answers", answerBox("expected", sample.gold), answerBox("read from the reply", sample.extracted)),
      ...section("Prompt", ...conversation(sample)),
      ...section("Reply", ...replyParts(sample)),
      ...(sample.scores.length ? section("Scores", pairs(sample.scores)) : []),
      ...section("Request", pairs([...sample.facts, ["key", sample.key]])),
    );
    return undefined;
  }

  function move(step) {
    const index = selected() + step;
    if (index < 0 || index >= found.length) return;
    select(index, true);
    writeAddress();
  }

  function turn(step) {
    const start = (Math.floor(selected() / PAGE) + step) * PAGE;
    if (start < 0 || start >= found.length) return;
    select(start, true);
    writeAddress();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, select, textarea");
    if (field) {
      if (event.key !== "Escape") return;
      event.preventDefault(); // the browser would empty the field and tell nobody
      field.blur();
      return;
    }
    const inList = event.target.closest("#list");
    const step = { j: 1, k: -1, ArrowDown: inList && 1, ArrowUp: inList && -1 }[event.key];
    if (step) move(step);
    else if (event.key === "/") byId("query").focus();
    else return;
    event.preventDefault();
  }

  function onAddress() {
    if (!location.hash.startsWith("#samples?")) return;
    readAddress();
    refresh();
    byId("samples").scrollIntoView();
  }

  function startExplorer() {
    ({ messages, samples } = JSON.parse(byId("data").textContent));
    uses = messages.map(() => 0);
    for (const sample of samples) for (const index of sample.messages) uses[index] += 1;
    variants = new Set(samples.map((sample) => sample.variant)).size;
    buildSelects();
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("query").addEventListener("input", () => change({ q: byId("query").value }));
    byId("sort").addEventListener("change", () => change({ sort: byId("sort").value }));
    byId("clear").addEventListener("click", () => { state = { sample: state.sample }; change({}); });
    byId("previous").addEventListener("click", () => turn(-1));
    byId("next").addEventListener("click", () => turn(1));
    byId("list").addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (!row) return;
      change({ sample: row.dataset.key });
      byId("list").querySelector("[aria-selected=true]").scrollIntoView({ block: "nearest" });
    });
    document.addEventListener("keydown", onKey);
    addEventListener("hashchange", onAddress);
    byId("explorer").hidden = false;
    readAddress();
    refresh();
    onAddress();
  }

  startTheme();
  startCopying();
  if (byId("data")) startExplorer();
})();
