// The ring of a data center as a picture. The table beside it has the same for those who do not see it.

import { svg } from "/dom.js";

const MIDDLE = 170;
const RING = 108;
const RACKS = 141;

const at = (angle, radius) => [MIDDLE + radius * Math.sin(angle), MIDDLE - radius * Math.cos(angle)];
const point = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

function arc(from, to, radius) {
  // A whole circle begins where it ends, and would not be drawn.
  const end = Math.min(to, from + 2 * Math.PI - 0.001);
  return `M ${point(at(from, radius))} A ${radius} ${radius} 0 ${end - from > Math.PI ? 1 : 0} 1 ${point(at(end, radius))}`;
}

function words(dc) {
  const nodes = dc.racks.flatMap((rack) => rack.nodes);
  const ready = nodes.filter((node) => node.ready).length;
  const racks = dc.racks.map((rack) => `${rack.name}: ${rack.nodes.map((node) => `${node.pod} ${node.state}`).join(", ")}`);
  return `Ring of data center ${dc.name}: ${ready} of ${nodes.length} nodes ready. ${racks.join(". ")}.`;
}

/** A picture of the nodes of a data center, one rack after the other around the ring. */
export function ring(dc) {
  const nodes = dc.racks.flatMap((rack) => rack.nodes);
  const ready = nodes.filter((node) => node.ready).length;
  const gap = dc.racks.length > 1 ? Math.min(0.16, 1 / dc.racks.length) : 0;
  const step = (2 * Math.PI - gap * dc.racks.length) / Math.max(1, nodes.length);
  const size = Math.max(3, Math.min(19, (step * RING) / 2 - 2));
  const parts = [svg("circle", { class: "track", cx: MIDDLE, cy: MIDDLE, r: RING })];
  // The first node is at the top.
  let angle = -step / 2;
  for (const rack of dc.racks) {
    const begin = angle;
    for (const node of rack.nodes) {
      parts.push(drawn(node, angle + step / 2, size));
      angle += step;
    }
    if (rack.nodes.length > 0) parts.push(...label(rack.name, begin, angle));
    angle += gap;
  }
  parts.push(
    svg("text", { class: "count", x: MIDDLE, y: MIDDLE + 6 }, `${ready}/${nodes.length}`),
    svg("text", { class: "below", x: MIDDLE, y: MIDDLE + 26 }, "nodes ready"),
  );
  return svg("svg", { class: "ring", viewBox: "0 0 340 340", role: "img", "aria-label": words(dc) }, parts);
}

function label(name, begin, end) {
  const middle = (begin + end) / 2;
  const [x, y] = at(middle, RACKS + 15);
  const upright = ((middle % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI);
  const is_below = upright > Math.PI / 2 && upright < (3 * Math.PI) / 2;
  const turn = ((middle * 180) / Math.PI + (is_below ? 180 : 0)).toFixed(1);
  const short = name.length > 22 ? `${name.slice(0, 21)}…` : name;
  return [
    svg("path", { class: "rack", d: arc(begin + 0.03, end - 0.03, RACKS) }),
    svg("text", { class: "rack-name", x: x.toFixed(1), y: y.toFixed(1), transform: `rotate(${turn} ${point([x, y])})` }, short),
  ];
}

function drawn(node, angle, size) {
  const [x, y] = at(angle, RING);
  const parts = [svg("title", null, `${node.pod}: ${node.state}${node.ready ? ", ready" : ", not ready"}${node.load ? `, ${node.load}` : ""}`)];
  if (node.loadPercent !== undefined) {
    const outer = RING - size - 7;
    const inner = outer - Math.max(3, (node.loadPercent / 100) * 28);
    parts.push(svg("path", { class: "load", d: `M ${point(at(angle, outer))} L ${point(at(angle, inner))}`, "stroke-width": Math.min(6, size / 2) }));
  }
  if (node.atWork.length > 0) parts.push(svg("circle", { class: "at-work", cx: x.toFixed(1), cy: y.toFixed(1), r: size + 4, pathLength: 12 }));
  parts.push(svg("circle", { class: "dot", cx: x.toFixed(1), cy: y.toFixed(1), r: size.toFixed(1) }));
  if (size >= 11) parts.push(svg("text", { class: "code", x: x.toFixed(1), y: (y + 4.2).toFixed(1) }, node.code));
  return svg("g", { class: `node ${node.tone}${node.ready ? "" : " unready"}` }, parts);
}
