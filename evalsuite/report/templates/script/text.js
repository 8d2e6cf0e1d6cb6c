// ---- texts: visible whatever they hold; two of them word by word ----------------------------------------
// A text is a string, or [beginning, end, characters left out].
const FOLD = 1400; // longer texts in bubbles start folded, so that prompt and reply fit one screen
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const TOKEN = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]|[\p{L}\p{M}\p{N}_]+|\s+|./gsu; // Chinese by the character
const MOST_PAIRS = 9e6; // of words held against each other: a tenth of a second
const FEWEST_SHARED = 0.15; // of the words; texts with less in common are two texts, and marks in them are noise

function appendVisible(node, text) {
  let from = 0;
  for (const { 0: character, index } of text.matchAll(HIDDEN)) {
    const mark = make("span", "hidden-character", "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));
    mark.title = "an invisible character";
    node.append(text.slice(from, index), mark);
    from = index + character.length;
  }
  node.append(text.slice(from));
}

const size = (text) => (typeof text === "string" ? text.length : text[0].length + text[1].length);
const flat = (text) => (!text ? "" : typeof text === "string" ? text : text[0] + " … " + text[1]);

// `parts` of a text that was held against another: [whether both have it, piece].
function textNode(text, className = "text", parts = null) {
  const node = make("div", className);
  node.dir = "auto";
  if (parts) {
    for (const [both, piece] of parts) {
      const place = both ? node : node.appendChild(make("mark"));
      appendVisible(place, piece);
    }
  } else if (typeof text === "string") {
    appendVisible(node, text);
  } else {
    appendVisible(node, text[0]);
    node.append(make("span", "omitted", `… ${count(text[2])} characters left out here; samples.jsonl has them …`));
    appendVisible(node, text[1]);
  }
  return node;
}

// The longest common subsequence of words: for each side, which of its words both have.
function common(a, b) {
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1, at = i * width + j; j >= 0; j -= 1, at -= 1) {
      table[at] = a[i] === b[j] ? table[at + width + 1] + 1 : Math.max(table[at + width], table[at + 1]);
    }
  }
  const kept = [a.map(() => false), b.map(() => false)];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) kept[0][i++] = kept[1][j++] = true;
    else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return kept;
}

// Both texts as parts; nothing where they are the same, or have too little in common to be read so.
function difference(first, second) {
  if (typeof first !== "string" || typeof second !== "string" || first === second) return [];
  const sides = [first, second].map((text) => text.match(TOKEN) || []);
  const [a, b] = sides;
  const most = Math.min(a.length, b.length);
  let [start, end] = [0, 0];
  while (start < most && a[start] === b[start]) start += 1;
  while (end < most - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const numbers = new Map();
  const inner = sides.map((words) => words.slice(start, words.length - end).map((word) => numbers.get(word) ?? (numbers.set(word, numbers.size), numbers.size - 1)));
  if (inner[0].length * inner[1].length > MOST_PAIRS) return [];
  const parts = common(...inner).map((kept, side) => sides[side].map((word, at) => [at < start || at >= sides[side].length - end || kept[at - start], word]));
  const shared = parts[0].filter(([both, word]) => both && word.trim()).length;
  if (shared < FEWEST_SHARED * Math.max(a.length, b.length)) return [];
  return parts.map((words) => words.reduce((runs, [both, word]) => {
    if (runs.at(-1)?.[0] === both) runs.at(-1)[1] += word;
    else runs.push([both, word]);
    return runs;
  }, []));
}

function bubble(role, text, className = "", parts = null) {
  const node = make("div", `bubble ${className || role.replace(/[^a-z]/g, "")}`, make("div", "role", role), textNode(text, "text", parts));
  if (size(text) > (role === "system" ? 400 : FOLD)) {
    const button = make("button", "unfold", `Show all ${count(size(text))} characters`);
    node.classList.add("folded");
    button.onclick = () => { node.classList.remove("folded"); button.remove(); };
    node.append(button);
  }
  return node;
}
