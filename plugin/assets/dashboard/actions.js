// What a person can do, as text to copy. Nothing here reaches the cluster.

import { h } from "/dom.js";

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Where the browser does not allow it, the text is selected instead.
    getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

/** Text to copy, with the button that copies it. */
export const copied = (text, title = text) => h("div", { class: "copied" },
  h("pre", { tabindex: 0 }, text),
  h("button", { type: "button", "data-key": `copy ${text}`, "aria-label": `Copy: ${title}`, onclick: (event) => copy(event.currentTarget, text) }, "Copy"));

const block = (title, text) => h("div", { class: "block" }, h("h3", null, title), copied(text, title));

/** Shows an action. */
export function dialog(action) {
  const place = document.getElementById("dialog");
  place.replaceChildren(
    h("h2", { id: "dialog-title" }, action.title),
    h("p", null, action.effect),
    block("Command", action.command),
    block("Annotation", action.annotate),
    block("Manifest for Git", action.manifest),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  );
  place.showModal();
}
