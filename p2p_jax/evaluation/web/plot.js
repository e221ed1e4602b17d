"use strict";

// Pure functions of the curves. A chart is {title, lines: [{label, steps, values}]}; a value that is null is a gap.

const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const MARKERS = ["circle", "square", "triangle", "diamond"];

// Exponential moving average without the bias of its start. weight: from 0 (no smoothing) to below 1.
function smooth(values, weight) {
  let sum = 0, total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

const FEW = 10; // points of a line that is not smoothed

// The line with smoothed values; a line of few points stays as it is.
function softened(line, weight) {
  return line.values.length < FEW ? line : { ...line, values: smooth(line.values, weight) };
}

// The index of the number in an ascending list that is nearest to a value; -1 for an empty list.
function nearest(numbers, value) {
  let low = 0, high = numbers.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < value) low = middle;
    else high = middle;
  }
  if (high < 0) return -1;
  return Math.abs(numbers[high] - value) < Math.abs(numbers[low] - value) ? high : low;
}

// Round numbers from low to high, about as many as asked for.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  if (!(rough > 0) || !Number.isFinite(rough)) return Number.isFinite(low) ? [low] : [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let place = Math.ceil(low / step - 1e-9); place <= Math.floor(high / step + 1e-9); place += 1) {
    found.push(Number((place * step).toPrecision(12)));
  }
  return found;
}

// Ticks of a logarithmic axis: powers of ten, with 2 and 5 in between if few powers fit. Both ends are above 0.
function logTicks(low, high, count) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const stride = Math.max(1, Math.ceil((last - first) / count));
  const factors = last - first <= count / 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = first; power <= last; power += stride) {
    for (const factor of factors) {
      const value = Number((factor * 10 ** power).toPrecision(12));
      if (value >= low * 0.999999 && value <= high * 1.000001) found.push(value);
    }
  }
  return found.length > 1 ? found : ticks(low, high, count).filter((value) => value > 0);
}

// A number in a few digits, with a typographic minus.
function show(value) {
  if (value === null) return "none";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e7) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("e+", "e").replace(/-/g, "−");
}

// A function from values between low and high to places between from and to.
function scale(low, high, from, to, log) {
  const place = log ? Math.log10 : (value) => value;
  const width = place(high) - place(low);
  return (value) => (width ? from + ((place(value) - place(low)) / width) * (to - from) : (from + to) / 2);
}

// [smallest, largest] value of the lines between two steps, with a margin; null if there is none. log: only above 0.
function extent(lines, range, log) {
  let low = Infinity, high = -Infinity;
  for (const { steps, values } of lines) {
    for (let i = 0; i < steps.length; i += 1) {
      if (values[i] === null || steps[i] < range[0] || steps[i] > range[1] || (log && values[i] <= 0)) continue;
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
  }
  if (low > high) return null;
  if (log) return [low / 1.05, high * 1.05];
  const margin = high > low ? (high - low) * 0.05 : Math.abs(high) * 0.1 || 1;
  return [low - margin, high + margin];
}

// [first, last] step of all lines.
function wholeRange(lines) {
  const ends = lines.filter(({ steps }) => steps.length).flatMap(({ steps }) => [steps[0], steps[steps.length - 1]]);
  return ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
}

// A range of steps zoomed by a factor around a place in it, inside the whole range and at least one step wide.
function zoomed(range, factor, centre, whole) {
  const width = Math.max(Math.min((range[1] - range[0]) / factor, whole[1] - whole[0]), Math.min(1, whole[1] - whole[0]));
  const share = range[1] > range[0] ? (centre - range[0]) / (range[1] - range[0]) : 0.5;
  const low = Math.min(Math.max(centre - share * width, whole[0]), whole[1] - width);
  return [low, low + width];
}

// The range moved by a share of its width, inside the whole range.
function moved(range, share, whole) {
  const shift = share * (range[1] - range[0]);
  const held = Math.min(Math.max(shift, whole[0] - range[0]), whole[1] - range[1]);
  return [range[0] + held, range[1] + held];
}

// The SVG path of a line, interrupted where a value is missing, or not above 0 on a logarithmic axis.
function linePath(steps, values, X, Y, log) {
  let path = "", open = false;
  steps.forEach((step, i) => {
    const drawn = values[i] !== null && !(log && values[i] <= 0);
    if (drawn) path += `${open ? "L" : "M"}${X(step).toFixed(1)} ${Y(values[i]).toFixed(1)}`;
    open = drawn;
  });
  return path;
}

// A marker as an SVG path around a place.
function marker(kind, x, y) {
  const at = (...points) => `M${points.map(([dx, dy]) => `${(x + dx).toFixed(1)} ${(y + dy).toFixed(1)}`).join("L")}Z`;
  if (kind === "square") return at([-3, -3], [3, -3], [3, 3], [-3, 3]);
  if (kind === "triangle") return at([0, -4], [4, 3], [-4, 3]);
  if (kind === "diamond") return at([0, -4.5], [4.5, 0], [0, 4.5], [-4.5, 0]);
  return `M${(x - 3.2).toFixed(1)} ${y.toFixed(1)}a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0Z`;
}

// Indices of at most `count` points of a line inside a range, evenly spaced: where its markers are.
function markedPoints(line, range, count) {
  const inside = [];
  line.steps.forEach((step, i) => {
    if (step >= range[0] && step <= range[1] && line.values[i] !== null) inside.push(i);
  });
  if (inside.length <= count) return inside;
  return Array.from({ length: count }, (_, i) => inside[Math.round(((i + 0.5) * (inside.length - 1)) / count)]);
}

// What the lines show at a step, as text: raw values, and smoothed ones if there are any.
function readOut(lines, smoothed, step) {
  const parts = lines.map((line, i) => {
    const place = nearest(line.steps, step);
    if (place < 0) return `${line.label}: none`;
    const value = line.values[place], soft = smoothed[i].values[place];
    const at = line.steps[place] === step ? "" : ` at step ${line.steps[place]}`;
    const also = soft === null || soft === value ? "" : `, smoothed ${show(soft)}`;
    return `${line.label} ${value === null ? "not finite" : show(value)}${also}${at}`;
  });
  return `Step ${step}: ${parts.join("; ")}.`;
}

// All steps of the lines, ascending and without repetition.
function allSteps(lines) {
  return [...new Set(lines.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
}

// Indices of scores in order. best: "higher", "lower" or "near 1". Missing scores come last.
function ordered(scores, best, worstFirst) {
  const badness = (value) => (best === "higher" ? -value : best === "lower" ? value : Math.abs(value - 1));
  const sign = worstFirst ? -1 : 1;
  return scores.map((_, i) => i).sort((a, b) => {
    if (scores[a] === null || scores[b] === null) return (scores[a] === null) - (scores[b] === null) || a - b;
    return sign * (badness(scores[a]) - badness(scores[b])) || a - b;
  });
}
