// A network of two inputs and two hidden units: every value, and the slope of the loss for each.
widgets.blame = {
  compute({ truth, ...moved }, constants) {
    const value = { ...constants, ...moved }, slope = { loss: 1 };
    for (const j of [1, 2]) {
      value[`s${j}`] = value.x1 * value[`w1${j}`] + value.x2 * value[`w2${j}`] + value[`b${j}`];
      value[`h${j}`] = Math.tanh(value[`s${j}`]);
    }
    value.z = value.h1 * value.v1 + value.h2 * value.v2 + value.c;
    const toTruth = truth === "yes" ? value.z : -value.z, probability = 1 / (1 + Math.exp(-value.z));
    value.loss = Math.log1p(Math.exp(-toTruth));
    slope.z = probability - (truth === "yes" ? 1 : 0);
    slope.c = slope.z;
    for (const j of [1, 2]) {
      slope[`v${j}`] = slope.z * value[`h${j}`];
      slope[`h${j}`] = slope.z * value[`v${j}`];
      slope[`s${j}`] = slope[`h${j}`] * (1 - value[`h${j}`] ** 2);
      slope[`b${j}`] = slope[`s${j}`];
      for (const i of [1, 2]) slope[`w${i}${j}`] = slope[`s${j}`] * value[`x${i}`];
    }
    for (const i of [1, 2]) slope[`x${i}`] = slope.s1 * value[`w${i}1`] + slope.s2 * value[`w${i}2`];
    return { value, slope, probability };
  },
  draw({ value, slope }) {
    const nodes = {
      x1: [60, 24, "input"], x2: [300, 24, "input"], s1: [60, 180, "sum"], s2: [300, 180, "sum"],
      h1: [60, 262, "tanh"], h2: [300, 262, "tanh"], z: [180, 374, "logit"], loss: [180, 456, "log"],
    };
    const weights = {
      w11: [60, 114], w12: [132, 78], w21: [228, 78], w22: [300, 114],
      b1: [168, 163], b2: [192, 197], v1: [108, 320], v2: [252, 320], c: [314, 374],
    };
    const parts = [], fixed = (number) => number.toFixed(3).replace(/^-(?!0\.000)/, "−").replace("-", "");
    const join = ([x0, y0], [x1, y1]) => parts.push(segment(x0, y0, x1, y1, { color: ink.blue }));
    for (const j of [1, 2]) {
      for (const i of [1, 2]) join(nodes[`x${i}`], nodes[`s${j}`]);
      join(weights[`b${j}`], [nodes[`s${j}`][0], weights[`b${j}`][1]]);
      join(nodes[`s${j}`], nodes[`h${j}`]);
      join(nodes[`h${j}`], nodes.z);
    }
    join(weights.c, nodes.z);
    join(nodes.z, nodes.loss);
    for (const [key, [x, y, kind]] of Object.entries({ ...nodes, ...weights })) {
      const width = kind ? 118 : 78, height = kind ? 42 : 32;
      const name = (kind ? `${kind} ` : "") + subscript(key);
      parts.push(rectangle(x - width / 2, y - height / 2, width, height, { fill: "#fff", stroke: kind ? ink.black : "none" }));
      parts.push(text(x, y - 3, `${name} = ${fixed(value[key])}`), text(x, y + 13, `slope ${fixed(slope[key])}`, { color: ink.orange }));
    }
    return drawing(360, 482, parts);
  },
  say({ value, slope, probability }, { truth }) {
    const list = (of, names) => names.map((name) => `${subscript(name)} ${show(of[name])}`).join(", ");
    return `Forward, down: ${list(value, ["s1", "s2", "h1", "h2", "z"])}. "Yes" is given ${show(100 * probability)} %, ` +
      `and the right answer is "${truth}": log loss ${show(value.loss)}. Slopes, up: ` +
      `${list(slope, ["z", "c", "v1", "v2", "h1", "h2", "s1", "s2", "b1", "b2", "w11", "w12", "w21", "w22", "x1", "x2"])}.`;
  },
};

function subscript(name) {
  return name.replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
}
