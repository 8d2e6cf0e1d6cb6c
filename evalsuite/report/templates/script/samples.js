// ---- samples: an index of all, their texts in chunks that are opened when they are read -----------------
// A row is one question with the cells of all variants that answered it.
const KEPT_CHUNKS = 60; // opened at a time, some 10 MB
const data = byId("data") && JSON.parse(byId("data").textContent);
const opened = new Map();
const rowOf = []; // of each sample
let rows = [];

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}

// Messages become [role, text, shared]: a few-shot example stands in every prompt, starts folded, and is not searched.
function read(text) {
  const { messages, samples } = JSON.parse(text);
  const uses = messages.map(() => 0);
  for (const sample of samples) for (const at of sample.messages) uses[at] += 1;
  for (const sample of samples) {
    sample.messages = sample.messages.map((at, place, all) => [...messages[at], uses[at] > data.variants && place < all.length - 1]);
  }
  return samples;
}

async function bodyOf({ chunk, number }) {
  if (!opened.has(chunk)) {
    opened.set(chunk, unpack(data.chunks[chunk]).then(read));
    if (opened.size > KEPT_CHUNKS) opened.delete(opened.keys().next().value);
  }
  return (await opened.get(chunk))[number - data.starts[chunk]];
}

function formatted(value, unit) {
  if (unit === "proportion") return (100 * value).toFixed(1) + " %";
  return unit === "score" ? (100 * value).toFixed(2) : unit === "bleu" ? value.toFixed(2) : String(+value.toPrecision(4));
}

const metricsOf = (cell) => data.metrics[cell.dataset] || [[]]; // [name, unit, whether higher is better], the primary one first
const scoreOf = (cell) => (cell.score === null ? "—" : formatted(metricsOf(cell)[0][2] ? cell.score : -cell.score, metricsOf(cell)[0][1]));

function flipOf(base, cell) {
  if (!base || base === cell || base.score === null || cell.score === null) return "";
  if (cell.score !== base.score) return cell.score > base.score ? "won" : "lost";
  if (cell.score <= 0 && metricsOf(cell)[0][2]) return "both wrong";
  return cell.answer === "right" ? "both right" : "";
}

function readIndex(index) {
  const places = new Map();
  let chunk = 0;
  index.id.forEach((_, number) => {
    const cell = { number };
    for (const name in index) cell[name] = index[name][number];
    if (number >= data.starts[chunk + 1]) chunk += 1;
    cell.chunk = chunk;
    const place = [...[cell.dataset, cell.subset].map((name) => data.aliases[name] ?? name), cell.id].join("/");
    let key = place;
    for (let nth = 2; places.get(key)?.cells.has(cell.variant); nth += 1) key = `${place} #${nth}`; // asked again
    if (!places.has(key)) places.set(key, { ...cell, key, title: key.slice(place.length - cell.id.length), cells: new Map() });
    places.get(key).cells.set(cell.variant, cell);
    rowOf.push(places.get(key));
  });
  rows = [...places.values()];
  for (const { cells } of rows) for (const cell of cells.values()) cell.flip = flipOf(cells.get(data.baseline), cell);
}

function haystack(body) {
  const asked = body.messages.filter(([, , shared]) => !shared).map(([, text]) => text);
  return [...asked, body.reply, body.reasoning, body.calls, body.gold, body.read, body.verdict, body.error].map(flat).join("\n").toLowerCase();
}

// The rows whose texts hold the words; nothing once they are no longer wanted. Between two chunks the page is free.
async function search(words, isWanted, progress) {
  const hits = new Set(rows.filter((row) => row.key.toLowerCase().includes(words)));
  const escaped = JSON.stringify(words).slice(1, -1);
  for (const [number, packed] of data.chunks.entries()) {
    const text = await unpack(packed);
    if (!isWanted()) return null;
    if (text.toLowerCase().includes(escaped)) {
      read(text).forEach((body, at) => { if (haystack(body).includes(words)) hits.add(rowOf[data.starts[number] + at]); });
    }
    progress(number / data.chunks.length);
  }
  return hits;
}
