// The actions of a person, as text to copy. Nothing here reaches the cluster.

import { h } from "/dom.js";

async function copy(button, text) {
  const place = button.parentElement;
  const say = (word) => {
    button.firstChild.data = word || "Copy";
    place.querySelector("[role=status]").textContent = word;
  };
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    // Where the browser does not allow it, the text is selected instead.
    getSelection().selectAllChildren(place.querySelector("pre"));
    say("Selected");
  }
  setTimeout(() => say(""), 2000);
}

/** Text to copy, with the button that copies it. */
export const copied = (text, title = text) => h("div", { class: "copied" },
  h("pre", null, text),
  h("button", { type: "button", "data-key": `copy ${text}`, onclick: (event) => copy(event.currentTarget, text) }, "Copy", h("span", { class: "unseen" }, `: ${title}`)),
  h("span", { class: "unseen", role: "status" }));

const block = (title, text) => text && h("div", { class: "block" }, h("h3", null, title), copied(text, title));

/** Shows an action. */
export function dialog(action) {
  const place = document.getElementById("dialog");
  place.replaceChildren(...[
    h("h2", { id: "dialog-title" }, action.title),
    h("p", null, action.effect),
    block("Command", action.command),
    block("Annotation", action.annotate),
    block("Manifest for Git", action.manifest),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  ].filter(Boolean));
  place.showModal();
}
