"use strict";

// Widgets: {compute(values, data) -> result, draw(result, values, data) -> SVG, say(result, values, data) -> text}.
// All three are pure functions. A test compares compute with the lesson's Python.
const widgets = {};

const ink = { black: "#1a1a1a", blue: "#0067a5", orange: "#c2500a", purple: "#8a3c86", grey: "#6e6e6e" };

// A number with a few digits and a typographic minus.
function show(value, figures = 3) {
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "minus infinite";
  const small = Math.abs(value) > 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6);
  if (!small) return String(Number(value.toPrecision(figures))).replace("-", "−");
  const [mantissa, exponent] = value.toExponential(figures - 1).split("e");
  const raised = [...exponent.replace("+", "")].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
  return `${mantissa.replace("-", "−")} × 10${raised}`;
}

// An SVG of the given size in SVG units; 360 units are a phone's width, so text of 12 units stays readable.
function drawing(width, height, parts) {
  return `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true" focusable="false">${parts.join("")}</svg>`;
}

function text(x, y, words, { anchor = "middle", color = ink.black, size = 12, bold = false } = {}) {
  const weight = bold ? ' font-weight="700"' : "";
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" style="fill:${color};font-size:${size}px"${weight}>${words}</text>`;
}

function rectangle(x, y, width, height, { fill = "none", stroke = "none", line = 1, dash = "" } = {}) {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}" stroke="${stroke}" stroke-width="${line}" stroke-dasharray="${dash}"/>`;
}

function segment(x0, y0, x1, y1, { color = ink.black, line = 1.5, dash = "" } = {}) {
  return `<line x1="${x0}" y1="${y0}" x2="${x1}" y2="${y1}" stroke="${color}" stroke-width="${line}" stroke-dasharray="${dash}"/>`;
}

// Axes from x[0] to x[1] and y[0] to y[1]; they clip what is drawn on them.
function axes(x, y, { xLabel = "", yLabel = "" } = {}) {
  const width = 360, height = 260;
  const box = { left: 52, top: 22, right: width - 10, bottom: height - 38 };
  const X = (value) => box.left + ((value - x[0]) / (x[1] - x[0])) * (box.right - box.left);
  const Y = (value) => box.bottom - ((value - y[0]) / (y[1] - y[0])) * (box.bottom - box.top);
  const within = (value, [low, high]) => Math.min(Math.max(value, low - (high - low)), high + (high - low));
  const marks = [], labels = [];
  for (const tick of ticks(x)) labels.push(segment(X(tick), box.bottom, X(tick), box.bottom + 4, { line: 1 }), text(X(tick), box.bottom + 17, show(tick)));
  for (const tick of ticks(y)) labels.push(segment(box.left - 4, Y(tick), box.left, Y(tick), { line: 1 }), text(box.left - 7, Y(tick) + 4, show(tick), { anchor: "end" }));
  labels.push(segment(box.left, box.bottom, box.right, box.bottom, { line: 1 }), segment(box.left, box.top, box.left, box.bottom, { line: 1 }));
  labels.push(text((box.left + box.right) / 2, height - 5, xLabel), text(4, 13, yLabel, { anchor: "start" }));
  return {
    X, Y,
    line(points, { color = ink.blue, line = 2, dash = "" } = {}) {
      const path = points.map(([px, py]) => `${X(within(px, x)).toFixed(1)},${Y(within(py, y)).toFixed(1)}`).join(" ");
      marks.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="${line}" stroke-dasharray="${dash}"/>`);
    },
    dot(px, py, { color = ink.orange, radius = 5, shape = "circle" } = {}) {
      const [cx, cy] = [X(within(px, x)), Y(within(py, y))];
      marks.push(shape === "circle" ? `<circle cx="${cx}" cy="${cy}" r="${radius}" fill="${color}"/>`
        : rectangle(cx - radius, cy - radius, 2 * radius, 2 * radius, { fill: color }));
    },
    write(px, py, words, options) { labels.push(text(X(px), Y(py), words, options)); },
    add(part) { marks.push(part); },
    render() {
      const place = `x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"`;
      const view = `${box.left} ${box.top} ${box.right - box.left} ${box.bottom - box.top}`;
      return drawing(width, height, [`<svg ${place} viewBox="${view}">${marks.join("")}</svg>`, ...labels]);
    },
  };
}

// Five or so round numbers between low and high.
function ticks([low, high]) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i <= Math.floor(high / step + 1e-9); i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// Evenly spaced numbers, both ends included.
function range(low, high, count) {
  return Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}
