// Text reaches the page through text nodes only.
const byId = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString("en-US");

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const child of children.filter(Boolean)) typeof child === "string" ? appendVisible(node, child) : node.append(child);
  return node;
}

function startTheme() {
  const { dataset } = document.documentElement;
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (dataset.theme ? dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  const stored = (...theme) => { try { return localStorage[theme.length ? "setItem" : "getItem"]("evalsuite-theme", ...theme); } catch { return null; } };
  if (["light", "dark"].includes(stored())) dataset.theme = stored();
  button.onclick = () => { dataset.theme = isDark() ? "light" : "dark"; stored(dataset.theme); label(); };
  system.onchange = label;
  button.hidden = false;
  label();
}

// Also where the clipboard is out of reach.
async function copy(button) {
  const source = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

startTheme();
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.onclick = () => copy(button);
}
