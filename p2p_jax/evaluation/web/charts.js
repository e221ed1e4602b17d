"use strict";

// Draws the curves anew, larger and with controls, in place of the pictures that the page holds without this script.

const PAGE = JSON.parse(document.getElementById("data").textContent);
const NS = "http://www.w3.org/2000/svg";
const MEMORY = "p2p_jax report " + location.pathname;

function recall() {
  try { return JSON.parse(sessionStorage.getItem(MEMORY)) || {}; } catch { return {}; }
}

function keep(values) {
  try { sessionStorage.setItem(MEMORY, JSON.stringify({ ...recall(), ...values })); } catch { /* nothing is kept */ }
}

function draw(parent, name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function button(parent, text, label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", action);
  parent.append(made);
  return made;
}

function openChart(section, chart, number, smoothing) {
  const whole = wholeRange(chart.lines), kept = (recall().charts || {})[number] || {};
  const state = { range: kept.range || whole, log: kept.log || false, hidden: kept.hidden || [], cursor: null, drag: null };
  if (kept.atEnd) state.range = [Math.min(state.range[0], whole[1]), whole[1]];
  const plot = section.querySelector(".plot"), values = section.querySelector(".values");
  const controls = section.querySelector(".controls"), legend = section.querySelector(".legend");
  let frame = null;

  const shown = () => chart.lines.map((line, i) => ({ ...line, i })).filter(({ i }) => !state.hidden.includes(i));

  function remember() {
    const { range, log, hidden } = state;
    const isWhole = range[0] <= whole[0] && range[1] >= whole[1];
    const own = { log, hidden, ...(isWhole ? {} : { range, atEnd: range[1] >= whole[1] }) };
    keep({ charts: { ...recall().charts, [number]: own } });
  }

  function render() {
    const width = Math.max(280, plot.clientWidth), height = Math.round(Math.min(320, Math.max(220, width * 0.5)));
    const box = { left: 58, right: width - 26, top: 12, bottom: height - 34 };
    const lines = shown(), soft = lines.map((line) => softened(line, smoothing.value)), { range, log } = state;
    const ends = extent(lines, range, log);
    const svg = document.createElementNS(NS, "svg");
    for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, class: "curves", "aria-hidden": "true" })) {
      svg.setAttribute(key, value);
    }
    const X = scale(range[0], range[1], box.left, box.right, false);
    for (const tick of ticks(range[0], range[1], width / 110)) {
      draw(svg, "path", { d: `M${X(tick)} ${box.top}V${box.bottom}`, class: "grid" });
      draw(svg, "text", { x: X(tick), y: box.bottom + 16, class: "tick middle" }, show(tick));
    }
    draw(svg, "text", { x: (box.left + box.right) / 2, y: height - 3, class: "tick middle" }, "step");
    if (ends === null) {
      draw(svg, "text", { x: width / 2, y: height / 2, class: "tick middle" }, lines.length ? "no values here" : "all lines are hidden");
    } else {
      const Y = scale(ends[0], ends[1], box.bottom, box.top, log);
      for (const tick of (log ? logTicks : ticks)(ends[0], ends[1], 5)) {
        draw(svg, "path", { d: `M${box.left} ${Y(tick)}H${box.right}`, class: "grid" });
        draw(svg, "text", { x: box.left - 6, y: Y(tick) + 4, class: "tick end" }, show(tick));
      }
      const clip = draw(draw(svg, "defs", {}), "clipPath", { id: `clip-${number}` });
      draw(clip, "rect", { x: box.left, y: 0, width: box.right - box.left, height: box.bottom + 4 });
      const area = draw(svg, "g", { "clip-path": `url(#clip-${number})` });
      lines.forEach((line, place) => {
        const { i } = line, look = { class: `line line-${i % 4}`, "stroke-dasharray": DASHES[i % 4] };
        if (soft[place] !== line && smoothing.value > 0) draw(area, "path", { d: linePath(line.steps, line.values, X, Y, log), class: `${look.class} raw` });
        draw(area, "path", { d: linePath(line.steps, soft[place].values, X, Y, log), ...look });
        for (const point of markedPoints(soft[place], range, 7)) {
          const value = soft[place].values[point];
          if (log && value <= 0) continue;
          draw(area, "path", { d: marker(MARKERS[i % 4], X(line.steps[point]), Y(value)), class: `marker line-${i % 4}` });
        }
      });
      if (state.cursor !== null) {
        draw(area, "path", { d: `M${X(state.cursor)} ${box.top}V${box.bottom}`, class: "cursor" });
        for (const [place, line] of lines.entries()) {
          const point = nearest(line.steps, state.cursor), value = point < 0 ? null : soft[place].values[point];
          if (value === null || (log && value <= 0)) continue;
          draw(area, "circle", { cx: X(line.steps[point]), cy: Y(value), r: 5, class: `point line-${line.i % 4}` });
        }
      }
    }
    if (state.drag) {
      const [a, b] = [Math.min(...state.drag), Math.max(...state.drag)];
      draw(svg, "rect", { x: a, y: box.top, width: b - a, height: box.bottom - box.top, class: "selection" });
    }
    draw(svg, "path", { d: `M${box.left} ${box.top}V${box.bottom}H${box.right}`, class: "axis" });
    plot.replaceChildren(svg);
    frame = { width, box, lines, soft };
  }

  function setRange(range) {
    state.range = range;
    render();
    remember();
  }

  function setCursor(step, speak) {
    state.cursor = step;
    values.setAttribute("aria-live", speak ? "polite" : "off");
    render();
    values.textContent = step === null ? values.dataset.hint : readOut(frame.lines, frame.soft, step);
  }

  const stepAt = (x) => {
    const share = (x - frame.box.left) / (frame.box.right - frame.box.left);
    return state.range[0] + Math.min(Math.max(share, 0), 1) * (state.range[1] - state.range[0]);
  };
  const steps = () => allSteps(shown()).filter((step) => step >= state.range[0] && step <= state.range[1]);
  const place = (event) => {
    const area = plot.getBoundingClientRect();
    return ((event.clientX - area.left) / area.width) * frame.width;
  };
  const centre = () => (state.cursor === null ? (state.range[0] + state.range[1]) / 2 : state.cursor);
  const zoom = (factor) => setRange(zoomed(state.range, factor, centre(), whole));

  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    state.drag = [place(event), place(event)];
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (state.drag) state.drag[1] = place(event);
    const within = steps(), found = nearest(within, stepAt(place(event)));
    setCursor(found < 0 ? null : within[found], false);
  });
  plot.addEventListener("pointerup", () => {
    const drag = state.drag;
    state.drag = null;
    if (drag && Math.abs(drag[1] - drag[0]) > 8) setRange([stepAt(Math.min(...drag)), stepAt(Math.max(...drag))]);
    else render();
  });
  plot.addEventListener("pointercancel", () => { state.drag = null; render(); });
  plot.addEventListener("pointerleave", () => { if (!state.drag && document.activeElement !== plot) setCursor(null, false); });
  plot.addEventListener("dblclick", () => setRange(whole));

  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const within = steps(), now = state.cursor === null ? -1 : nearest(within, state.cursor);
    const goTo = (index) => setCursor(within[Math.min(Math.max(index, 0), within.length - 1)] ?? null, true);
    const actions = {
      ArrowRight: () => goTo(now + 1), ArrowLeft: () => goTo(now < 0 ? within.length - 1 : now - 1),
      PageDown: () => goTo(now + 10), PageUp: () => goTo(now < 0 ? within.length - 10 : now - 10),
      Home: () => goTo(0), End: () => goTo(within.length - 1), Escape: () => setCursor(null, true),
      "+": () => zoom(2), "-": () => zoom(0.5), "0": () => setRange(whole),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  plot.addEventListener("blur", () => setCursor(null, false));

  button(controls, "+", "Zoom in", () => zoom(2));
  button(controls, "−", "Zoom out", () => zoom(0.5));
  button(controls, "←", "Move left", () => setRange(moved(state.range, -0.5, whole)));
  button(controls, "→", "Move right", () => setRange(moved(state.range, 0.5, whole)));
  button(controls, "Reset", "Show all steps", () => setRange(whole));
  const log = button(controls, "Log axis", "", () => {
    state.log = !state.log;
    log.setAttribute("aria-pressed", String(state.log));
    render();
    remember();
  });
  log.setAttribute("aria-pressed", String(state.log));
  chart.lines.forEach((line, i) => {
    const item = legend.children[i], key = button(item, "", "", () => {
      state.hidden = state.hidden.includes(i) ? state.hidden.filter((each) => each !== i) : [...state.hidden, i];
      key.setAttribute("aria-pressed", String(!state.hidden.includes(i)));
      render();
      remember();
    });
    key.append(...[...item.childNodes].filter((each) => each !== key));
    key.setAttribute("aria-pressed", String(!state.hidden.includes(i)));
  });
  plot.tabIndex = 0;
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-label", `${chart.title}. ${values.dataset.hint}`);
  values.textContent = values.dataset.hint;
  controls.hidden = false;
  values.hidden = false;
  // In the next frame: a change of the size inside of its own observer would be an error of the observer's loop.
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (!frame || Math.max(280, plot.clientWidth) !== frame.width) render();
  })).observe(plot);
  render();
  return render;
}

function openCharts() {
  const slider = document.getElementById("smoothing");
  if (!slider) return;
  const smoothing = { value: 0 }, output = document.getElementById("smoothing-value");
  const read = () => {
    smoothing.value = Number(slider.value);
    output.textContent = smoothing.value ? smoothing.value.toFixed(2) : "off";
  };
  slider.value = recall().smoothing ?? slider.value;
  read();
  const renders = PAGE.charts.map((chart, i) => openChart(document.getElementById(`chart-${i}`), chart, i, smoothing));
  slider.addEventListener("input", () => {
    read();
    keep({ smoothing: smoothing.value });
    renders.forEach((render) => render());
  });
  slider.closest("[hidden]").hidden = false;
}
