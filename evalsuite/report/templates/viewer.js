"use strict";
(() => {
  const form = document.getElementById("compare");
  if (!form) return;
  const filter = document.getElementById("filter");
  const baseline = document.getElementById("baseline");
  const go = document.getElementById("go");
  const chosen = document.getElementById("chosen");
  const OFTEN = 1000, SELDOM = 3000;
  let ticked = []; // in the order of ticking: the first is the baseline
  let shown = "";

  const boxes = () => [...form.querySelectorAll("input[name=side]")];

  function show() {
    const there = new Map(boxes().map((box) => [box.value, box]));
    ticked = ticked.filter((side) => there.has(side) && !there.get(side).disabled);
    for (const [side, box] of there) box.checked = ticked.includes(side);
    baseline.disabled = ticked.length === 0;
    baseline.value = ticked[0] || "";
    go.disabled = ticked.length < 2;
    go.textContent = ticked.length < 2 ? "Compare selected" : `Compare ${ticked.length}`;
    chosen.textContent = ticked.length ? `baseline: ${there.get(ticked[0]).dataset.label}` : "";
    const wanted = filter.value.trim().toLowerCase();
    for (const run of form.querySelectorAll(".run")) run.hidden = !run.textContent.toLowerCase().includes(wanted);
  }

  function put(text) {
    const rows = new DOMParser().parseFromString(text, "text/html").getElementById("rows");
    const old = document.getElementById("rows");
    if (!rows || !old) return;
    const focused = document.activeElement && document.activeElement.value;
    const on = document.activeElement && document.activeElement.name === "side";
    old.replaceWith(rows);
    show();
    if (on) boxes().find((box) => box.value === focused)?.focus();
  }

  async function follow() {
    try {
      const answer = await fetch("/rows", { cache: "no-store" });
      const text = await answer.text();
      if (answer.ok && text !== shown) put(shown = text);
    } catch {
      document.getElementById("status").textContent = "evalsuite view has ended. This is the last state it showed.";
      shown = "";
    }
    const rows = document.getElementById("rows");
    setTimeout(follow, rows && rows.dataset.running !== "0" ? OFTEN : SELDOM);
  }

  form.addEventListener("change", (event) => {
    const box = event.target;
    if (box.name !== "side") return;
    ticked = ticked.filter((side) => side !== box.value);
    if (box.checked) ticked.push(box.value);
    show();
  });
  filter.addEventListener("input", show);
  filter.hidden = false;
  ticked = boxes().filter((box) => box.checked).map((box) => box.value);
  show();
  follow();
})();
