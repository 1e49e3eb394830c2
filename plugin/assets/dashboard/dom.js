// Elements from data. All text of clusters becomes text nodes: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** A word with the colour of its meaning, and a sign beside the colour. */
const SIGNS = { good: "●", busy: "◐", bad: "▲", dim: "○", plain: "●" };
export const pill = (words, tone) => h("span", { class: `pill ${tone}` }, h("span", { "aria-hidden": "true" }, SIGNS[tone] ?? "●"), words);

// ---- times: the clock of the plugin, which goes on between two messages -------

let offset = 0;
export const setClock = (now) => { offset = Date.parse(now) - Date.now(); };
const now = () => Date.now() + offset;
export const clock = () => new Date(now()).toISOString();

/** The two largest units that matter, as the other commands write them: 12s, 4m12s, 3h20m, 5d4h, 42d. */
export function short(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (large, unit, small, smallUnit) => (small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), "m", seconds % 60, "s");
  if (seconds < 86400) return two(Math.floor(seconds / 3600), "h", Math.floor(seconds / 60) % 60, "m");
  if (seconds < 864000) return two(Math.floor(seconds / 86400), "d", Math.floor(seconds / 3600) % 24, "h");
  return `${Math.floor(seconds / 86400)}d`;
}

const phrase = (at, before, after) => `${before}${short(Math.abs(now() - at))}${after}`;

/** A time that counts: `for 4m12s`, `3m ago`. */
export function ago(at, before = "", after = "") {
  const time = Date.parse(at);
  return h("time", { datetime: at, title: at, "data-before": before, "data-after": after }, phrase(time, before, after));
}
export const since = (at) => (at ? ago(at, "for ") : "");

export function tick() {
  for (const element of document.querySelectorAll("time[data-before]")) {
    const text = phrase(Date.parse(element.dateTime), element.dataset.before, element.dataset.after);
    if (element.textContent !== text) element.textContent = text;
  }
}

// ---- parts of the page that change ---------------------------------------------

const drawn = new Map();

/** Draws a part again if its data changed; what is open stays open, and the focus stays where it is. */
export function part(id, data, draw) {
  const text = JSON.stringify(data) ?? "";
  if (drawn.get(id) === text) return;
  const place = document.getElementById(id);
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const content = draw(data);
  place.replaceChildren(...[content].flat().filter(Boolean));
  // Not before: what cannot be drawn is not drawn.
  drawn.set(id, text);
  for (const one of place.querySelectorAll("details[data-key]")) if (open.has(one.dataset.key)) one.open = true;
  if (focused) [...place.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus({ preventScroll: true });
}
