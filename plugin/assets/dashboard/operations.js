// Operations: those that run, with their nodes; and those that have ended.

import { ago, h, pill, short, since } from "/dom.js";
import { dialog } from "/actions.js";

const took = (from, to) => (from && to ? `in ${short(Date.parse(to) - Date.parse(from))}` : "");
const name = (one) => [h("strong", null, one.kind), " ", h("span", { class: "id" }, one.id)];

/** Operations that have not ended. */
export function operations(all) {
  if (!all) return null;
  if (all.length === 0) return h("section", null, h("h2", null, "Operations"), h("p", { class: "quiet" }, "No operation is pending or runs."));
  return h("section", null, h("h2", null, "Operations"), all.map(running));
}

function running(one) {
  const key = `${one.kind} ${one.id}`;
  const active = one.nodes.filter((node) => node.isActive);
  const others = one.nodes.length - active.length;
  const facts = [one.progress, since(one.started), one.left].filter(Boolean);
  return h("article", { class: `operation ${one.tone}` },
    h("div", { class: "head" }, h("h3", null, name(one)), pill(one.phase, one.tone)),
    one.total > 0 && h("div", { class: "bar" },
      h("progress", { value: one.done + one.failed, max: one.total, "aria-label": `Progress of ${key}` }),
      h("span", null, facts.map((fact, index) => [index > 0 && " · ", fact]))),
    one.message && h("p", null, one.message),
    h("p", { class: "quiet" }, [one.arguments && `with ${one.arguments}`, one.origin, one.requested && ["requested ", ago(one.requested, "", " ago")]]
      .filter(Boolean).map((fact, index) => [index > 0 && ", ", fact])),
    one.blockedBy.length > 0 && h("ul", { class: "rows" }, one.blockedBy.map((check) =>
      h("li", null, pill(check.name, "bad"), h("span", { class: "note" }, check.evidence)))),
    active.length > 0 && table(active, key),
    others > 0 && h("details", { "data-key": key }, h("summary", { "data-key": `${key} summary` }, `All ${one.nodes.length} nodes`), table(one.nodes, key)),
    one.omitted > 0 && h("p", { class: "quiet" }, `${one.omitted} more nodes are left out of the status.`),
    buttons(one));
}

const buttons = (one) => one.actions.length > 0 && h("p", { class: "buttons" },
  one.actions.map((action) => h("button", { type: "button", "data-key": `${one.id} ${action.title}`, onclick: () => dialog(action) }, `${action.title}…`)));

function table(nodes, key) {
  return h("table", { class: "steps" },
    h("caption", { class: "unseen" }, `Nodes of ${key}`),
    h("thead", { class: "unseen" }, h("tr", null, ["Node", "State", "Progress"].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", null, nodes.map((node) => {
      const facts = [
        node.progress,
        node.step && node.isActive && `at ${node.step}`,
        node.attempts > 1 && !node.isDone && `attempt ${node.attempts}`,
        node.finished ? took(node.started, node.finished) : since(node.started),
      ].filter(Boolean);
      return h("tr", null,
        h("th", { scope: "row" }, node.pod),
        h("td", null, pill(node.state, node.tone)),
        h("td", null, facts.map((fact, index) => [index > 0 && ", ", fact]), node.error && h("span", { class: "note" }, node.error)));
    })));
}

/** Operations that have ended, newest first. */
export function history(all) {
  if (!all || all.length === 0) return null;
  return h("section", null, h("h2", null, "History"),
    h("div", { class: "scrolled", role: "region", tabindex: 0, "aria-label": "History", "data-key": "history" },
      h("table", { class: "history" },
        h("caption", { class: "unseen" }, "Operations that have ended, newest first"),
        h("thead", null, h("tr", null, ["Operation", "Result", "Nodes", "Ended", "Origin"].map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", null, all.map((one) => h("tr", null,
          h("th", { scope: "row" }, name(one), one.arguments && h("span", { class: "note" }, one.arguments),
            one.hasFailed && one.message && h("span", { class: "note" }, one.message),
            one.nodes.filter((node) => node.error).map((node) => h("span", { class: "note" }, `${node.pod}: ${node.error}`)),
            buttons(one)),
          h("td", null, pill(one.phase, one.tone)),
          h("td", null, one.progress || "–"),
          h("td", null, one.finished ? [ago(one.finished, "", " ago"), h("span", { class: "note" }, took(one.started, one.finished))] : "–"),
          h("td", null, one.origin || "–")))))));
}
