// The page: what the stream says of the clusters, drawn again part by part.

import { ago, clock, h, part, pill, setClock, since, tick } from "/dom.js";
import { ring } from "/ring.js";
import { open, secrets } from "/stream.js";
import { copied, dialog } from "/actions.js";
import { history, operations } from "/operations.js";

const secret = secrets();
let close = () => {};
let chosen = null;
// The last picture of the chosen cluster, which stays when the cluster is gone.
let last = null;
let page = null;
// The choice that the page is about.
let about = null;
let trouble = null;
let heard = null;
let isOver = false;

const id = (cluster) => `${cluster.namespace}/${cluster.name}`;
const choice = () => (location.hash.startsWith("#/") ? location.hash.slice(2) : null);

function follow() {
  close();
  if (chosen !== choice()) last = null;
  chosen = choice();
  // Browsers have six connections for one address: a tab that nobody sees leaves its own to the others.
  if (!secret || isOver || document.visibilityState === "hidden") return;
  close = open(secret, chosen, {
    data({ now, view }) {
      setClock(now);
      [page, about, trouble, heard] = [view, chosen, null, now];
      if (view.cluster) last = view.cluster;
      // The first cluster is chosen once, so that a new one does not take its place.
      if (!chosen && view.cluster) return location.replace(`#/${id(view.cluster)}`);
      try {
        draw();
      } catch (error) {
        failed("This page cannot show what the dashboard sent: reload the page.");
        throw error;
      }
    },
    alive() { heard = clock(); },
    lost: failed,
    refused(why) {
      isOver = true;
      failed(why);
    },
  });
}

/** The page shows old data from now on. */
function failed(why) {
  trouble = { why, known: heard };
  told();
}

/** The parts of the page that are about the page itself. */
function told() {
  part("connection", [trouble, page?.connection], () => state());
  part("notice", [trouble, page?.connection, page?.unreadable, gone()], () => notices());
  part("alerted", alerts(), (words) => words);
  document.getElementById("main").classList.toggle("old", Boolean(trouble || !shown() || (page && !page.connection.isLive)));
}

/** The chosen cluster as it is; none if it is gone, or cannot be read. */
const shown = () => (page?.cluster && (!chosen || id(page.cluster) === chosen) ? page.cluster : null);

/** A cluster as it was last seen: there is nothing to do with it. */
const frozen = (cluster) => cluster && {
  ...cluster,
  actions: null,
  findings: cluster.findings.map((one) => ({ ...one, next: [] })),
  operations: cluster.operations.map((one) => ({ ...one, actions: [] })),
  history: cluster.history.map((one) => ({ ...one, actions: [] })),
};

function draw() {
  told();
  if (!page) return;
  part("scope", page.scope, (scope) => scope);
  part("clusters", [page.clusters, page.unreadable, chosen], () => list());
  const cluster = shown() ?? frozen(last);
  document.title = cluster ? `${cluster.name}: ${cluster.words} · CassKop` : "CassKop";
  part("title", cluster && [cluster.name, cluster.namespace, cluster.words, cluster.tone, cluster.phase, cluster.ready, cluster.total, cluster.image], () => title(cluster));
  part("findings", cluster?.findings, findings);
  part("ring", cluster?.dataCenters, nodes);
  part("operations", cluster?.operations, operations);
  part("requests", cluster?.requests, requests);
  part("conditions", cluster?.conditions, conditions);
  part("schedules", cluster?.schedules, schedules);
  part("history", cluster?.history, history);
  part("actions", cluster?.actions && [cluster.actions, cluster.refused], actions);
  part("announced", announcement(cluster), (words) => words);
}

/** The words of a screen reader about the page itself. No time that counts: it would be said every second. */
function alerts() {
  if (trouble) return trouble.why;
  const connection = page && !page.connection.isLive ? page.connection.message : "";
  const unreadable = (page?.unreadable ?? []).map((one) => `Cluster ${id(one)} cannot be read.`);
  return [connection, gone(), ...unreadable].filter(Boolean).join(" ");
}

/** The words of a screen reader about a change. */
function announcement(cluster) {
  if (!cluster) return "";
  const running = cluster.operations.map((one) => `${one.kind} ${one.phase}${one.progress ? `, ${one.progress}` : ""}`);
  return [`${cluster.name}: ${cluster.words}`, `${cluster.ready} of ${cluster.total} nodes ready`, ...running].join("; ");
}

function gone() {
  if (trouble || !page || shown() || !chosen || about !== chosen) return null;
  if (page.unreadable.some((one) => id(one) === chosen)) return null;
  if (!page.connection.isLive) return null;
  return last ? `Cluster ${chosen} was deleted. Below is how it was last seen.` : `There is no cluster ${chosen}.`;
}

function state() {
  if (trouble) return pill("no connection", "bad");
  if (!page) return pill("connecting", "busy");
  const { state, tone } = page.connection;
  return pill(state, tone);
}

function notices() {
  const found = [];
  const notice = (tone, ...content) => found.push(h("div", { class: `notice ${tone}` }, content));
  if (trouble) {
    notice("bad", h("p", null, trouble.why), trouble.known && h("p", null, "The page shows what was known ", ago(trouble.known, "", " ago"), "."));
  }
  const connection = page?.connection;
  if (!trouble && connection && !connection.isLive) {
    const known = connection.knownAt && h("p", null, "The page shows what was known ", ago(connection.knownAt, "", " ago"), ".");
    const hints = connection.hints.length > 0 && h("ul", null, connection.hints.map((hint) => h("li", null, hint)));
    notice(connection.tone, h("p", null, connection.message), known, hints);
  }
  if (gone()) notice("bad", h("p", null, gone()));
  for (const one of page?.unreadable ?? []) notice("bad", h("p", null, `Cluster ${id(one)} cannot be read: ${one.cause}`));
  return found;
}

function list() {
  if (page.clusters.length === 0 && page.unreadable.length === 0) {
    return h("li", { class: "none" }, page.connection.isLive ? `There is no CassandraCluster in ${page.scope}.` : "None known yet.");
  }
  return page.clusters.map((one) =>
    h("li", null,
      h("a", { href: `#/${id(one)}`, "data-key": id(one), "aria-current": id(one) === chosen ? "page" : false },
        h("span", { class: "name" }, one.name),
        h("span", { class: "where" }, one.namespace),
        pill(one.words, one.tone),
        h("span", { class: "where" }, one.nodes))));
}

const section = (title, ...content) => h("section", null, h("h2", null, title), content);

function title(cluster) {
  if (!cluster) return null;
  return [
    h("h1", null, cluster.name, " ", h("small", null, `in namespace ${cluster.namespace}`)),
    h("p", { class: "facts" },
      pill(cluster.words, cluster.tone),
      h("span", null, `${cluster.ready} of ${cluster.total} nodes ready`),
      h("span", null, `phase ${cluster.phase}`),
      cluster.image && h("span", null, cluster.image)),
  ];
}

function findings(all) {
  if (!all) return null;
  if (all.length === 0) return section("Waiting for", h("p", { class: "quiet" }, "Nothing is blocked: the cluster matches the spec, and no operation is pending."));
  return section("Waiting for", all.map((one) =>
    h("article", { class: `finding ${one.tone}` },
      h("p", { class: "head" }, pill(one.title, one.tone), " ", since(one.since), one.reason && h("span", { class: "reason" }, one.reason)),
      one.message && h("p", null, one.message),
      one.next.length > 0 && h("details", { "data-key": `next ${one.reason} ${one.message}` }, h("summary", { "data-key": `${one.reason} ${one.message}` }, "Next step"),
        h("ul", { class: "next" }, one.next.map((step) => h("li", null, step.words && h("p", null, step.words), step.command && copied(step.command))))))));
}

function nodes(dcs) {
  if (!dcs) return null;
  return section("Ring", dcs.map((dc) =>
    h("div", { class: "dc" },
      h("figure", null, ring(dc), h("figcaption", null, `Data center ${dc.name}`)),
      h("div", { class: "scrolled", role: "region", tabindex: 0, "aria-label": `Nodes of data center ${dc.name}`, "data-key": `nodes ${dc.name}` },
        h("table", { class: "nodes" },
          h("caption", { class: "unseen" }, `Nodes of data center ${dc.name}`),
          h("thead", null, h("tr", null, ["Node", "State", "Load", "Version", "Address"].map((name) => h("th", { scope: "col" }, name)))),
          dc.racks.map((rack) => h("tbody", null,
            h("tr", { class: "rack-row" }, h("th", { scope: "rowgroup", colspan: 5 }, h("span", { class: "unseen" }, "Rack "), rack.name)),
            rack.nodes.map(row))))))));
}

function row(node) {
  const notes = [
    node.isReported && !node.ready && "not ready",
    ...node.atWork.map((kind) => `${kind} at work`),
    node.needsCleanup && "cleanup required",
    node.message,
  ].filter(Boolean);
  const facts = h("tr", null,
    h("th", { scope: "row" }, node.pod),
    h("td", null, pill(`${node.code} ${node.state}`, node.tone)),
    h("td", { class: "number" }, node.load || "–"),
    h("td", null, node.version || "–"),
    h("td", { title: node.hostId ? `host ID ${node.hostId}` : false }, node.address || "–"));
  return [facts, notes.length > 0 && h("tr", { class: "note-row" }, h("td", { colspan: 5 }, notes.join(" · ")))];
}

function requests(all) {
  if (!all || all.length === 0) return null;
  return section("Requests that the operator has not observed", h("ul", { class: "rows" }, all.map((one) =>
    h("li", null, pill(one.error ? "not understood" : "waiting", one.tone), " ", h("code", null, one.text), one.error && h("span", { class: "note" }, one.error)))));
}

function conditions(all) {
  if (!all || all.length === 0) return null;
  return section("Conditions", h("ul", { class: "rows" }, all.map((one) =>
    h("li", null, pill(one.words, one.tone), " ", since(one.since), h("span", { class: "note" }, `${one.reason}: ${one.message}`)))));
}

function schedules(all) {
  if (!all || all.length === 0) return null;
  return section("Schedules", h("ul", { class: "rows" }, all.map((one) =>
    h("li", null, h("strong", null, one.name), " ", h("code", null, one.request), " ", h("span", { class: "quiet" }, one.slots),
      h("span", { class: "note" },
        one.suspended ? "suspended" : one.next ? ["next ", h("time", { datetime: one.next }, one.next)] : "not observed",
        one.last && [", last ", ago(one.last, "", " ago")])))));
}

function actions(offered) {
  if (!offered) return null;
  const [all, refused] = offered;
  return section("Request something",
    h("p", { class: "quiet" }, "The page changes nothing: each button has the command, the annotation and the manifest to copy."),
    h("p", { class: "buttons" }, all.map((one) => h("button", { type: "button", "data-key": one.title, onclick: () => dialog(one) }, `${one.title}…`))),
    refused.length > 0 && h("ul", { class: "rows" }, refused.map((one) => h("li", { class: "note" }, `No ${one.title.toLowerCase()} now: ${one.reason}`))));
}

addEventListener("hashchange", () => {
  // Another link, of another dashboard, was opened in this tab.
  if (location.hash.startsWith("#token=")) return location.reload();
  const was = chosen;
  follow();
  if (trouble) draw();
  // Who has followed a link reads on there. The first cluster chooses itself.
  if (was && was !== chosen) document.getElementById("main").focus({ preventScroll: true });
});
addEventListener("visibilitychange", follow);
setInterval(tick, 1000);
if (!secret) {
  failed("This address has no token: open the link that kubectl casskop dashboard printed.");
} else {
  draw();
  follow();
}
