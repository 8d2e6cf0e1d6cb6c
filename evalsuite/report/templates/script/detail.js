// ---- one row: what was asked, and the replies of the variants side by side ------------------------------
const ANSWERS = { right: "right", partial: "partly right", wrong: "wrong" };
const RECENT = 4; // messages shown unfolded, few-shot examples apart
const MOST_SIDES = 4;

function verdictOf(cell) {
  if (cell.outcome !== "scored") return [cell.outcome, cell.outcome];
  return cell.answer === "none" ? ["", scoreOf(cell)] : [cell.answer, ANSWERS[cell.answer]];
}

const seconds = (s) => (s < 1 ? Math.round(1000 * s) + " ms" : s.toFixed(1) + " s");
const code = (text) => (/^[[{]/.test(flat(text)) ? "text code" : "text");
const fold = (title, ...children) => make("details", "", make("summary", "", title), ...children);
const chip = (text, kind = "") => make("span", "chip " + kind, text);

function pairs(items) {
  return make("dl", "pairs", ...items.filter(([, value]) => value).map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
}

function conversation(messages) {
  const bubbles = messages.map(([role, text]) => bubble(role, text));
  const first = messages.findIndex(([, , shared], place) => place >= bubbles.length - RECENT && !shared);
  return first < 2 ? bubbles : [fold(`${first} earlier messages`, ...bubbles.slice(0, first)), ...bubbles.slice(first)];
}

function chips(cell, failures = {}) {
  const [kind, words] = verdictOf(cell);
  const labels = cell.labels.filter((label) => label !== words);
  return make("div", "chips", chip(words, kind), ...labels.map((label) => chip(failures[label] ? `${label}: ${[failures[label]].flat().join(", ")}` : label)));
}

function argumentsOf(written) {
  try {
    const found = JSON.parse(written);
    if (found && typeof found === "object" && !Array.isArray(found)) return Object.entries(found).map(([name, value]) => [name, JSON.stringify(value)]);
  } catch { /* shown as it is */ }
  return [["(no JSON object)", written]];
}

// The gold step against the reply's, argument by argument.
function callTable({ steps: [gold, reply], offered }) {
  const [expected, given] = [gold, reply].map(([plan, tool, written]) => new Map([["plan", plan], ["tool", tool], ...argumentsOf(written).map(([name, value]) => [` ${name}`, value])]));
  const cell = (text) => make("td", "", text ? textNode(text, "text code") : "—");
  const lines = [...new Set([...expected.keys(), ...given.keys()])].map((name) => {
    const sides = [expected.get(name), given.get(name)];
    return make("tr", sides[0] === sides[1] ? "" : "differs", make("th", "", textNode(name.trim())), ...sides.map(cell));
  });
  const heads = make("tr", "", ...["", "gold", "reply"].map((head) => make("th", "", head)));
  const tools = offered.map((name) => chip(name, name === gold[1] ? "right" : name === reply[1] ? "wrong" : ""));
  return [make("div", "scroll", make("table", "calls", make("thead", "", heads), make("tbody", "", ...lines))), tools.length && fold(`${tools.length} tools offered`, make("div", "chips", ...tools))];
}

function sideNode(cell, body, parts) {
  const said = [body.reply && bubble("reply", body.reply, "reply", parts), body.calls && bubble("tool calls", body.calls, "reply code")];
  const units = new Map(metricsOf(cell));
  const scores = Object.entries(body.scores || {}).filter(([, value]) => value !== null).map(([name, value]) => [name, formatted(value, units.get(name))]);
  return make("div", "side",
    data.variants > 1 && make("h5", "", make("bdi", "", cell.variant)),
    chips(cell, body.call?.failures),
    body.error && textNode(body.error, "text failure"),
    body.read && make("div", "read", make("span", "label", `read by ${cell.stage || "the scorer"}`), textNode(body.read, code(body.read))),
    body.reasoning && fold(`Reasoning, ${count(size(body.reasoning))} characters`, textNode(body.reasoning)),
    ...said,
    !said.some(Boolean) && make("p", "where", body.measured ? "The text was measured; nothing was generated." : "The model sent no text."),
    body.verdict && bubble("judge", body.verdict, "judge"),
    ...(body.call ? callTable(body.call) : []),
    fold("Scores and request", pairs([...scores, ["latency", cell.latency !== null && seconds(cell.latency)], ...(body.facts || [])])),
  );
}

async function detailOf(row, variants) {
  const cells = variants.map((variant) => row.cells.get(variant)).filter(Boolean).slice(0, MOST_SIDES);
  const bodies = await Promise.all(cells.map(bodyOf));
  const parts = bodies.map((body, at) => (at ? difference(bodies[0].reply, body.reply) : []));
  const prompts = new Set(bodies.map((body) => JSON.stringify(body.messages.map(([role, text]) => [role, text]))));
  const { gold, messages, pictures = [] } = bodies[0];
  return [
    make("h3", "", make("bdi", "", row.title)),
    make("p", "where", [...new Set([row.dataset, row.subset])].join(" · ")),
    make("h4", "", "Expected"),
    bodies[0].call ? fold("The gold step as written", textNode(gold)) : textNode(gold || "none", gold ? code(gold) : "text none"),
    make("h4", "", prompts.size > 1 ? `Prompt of ${cells[0].variant}; another one differs` : "Prompt"),
    ...conversation(messages),
    ...pictures.map((src) => Object.assign(make("img", "picture"), { src, alt: "picture" })),
    make("h4", "", cells.length > 1 ? "Replies" : "Reply"),
    make("div", "sides", ...cells.map((cell, at) => sideNode(cell, bodies[at], at ? parts[at][1] : parts.find((found) => found.length)?.[0]))),
  ];
}
