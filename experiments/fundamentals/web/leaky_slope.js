// Leaky ReLU with a chosen slope, its slope at x, and how much of a gradient is left after several units at the same x.
widgets.leaky_slope = {
  compute({ slope, x, layers }) {
    const of = (v) => (v > 0 ? v : slope * v);
    const rise = (v) => (v > 0 ? 1 : slope);
    return { output: of(x), rise: rise(x), left: rise(x) ** layers, curve: range(-4, 4, 81).map((v) => [v, of(v), rise(v)]) };
  },
  draw(result, { x }) {
    const plot = axes([-4.2, 4.2], [-4.2, 4.2], { xLabel: "x", yLabel: "output" });
    plot.line([[-4.2, 0], [4.2, 0]], { color: ink.grey, line: 1 });
    plot.line(result.curve.filter(([v]) => v <= 0).map(([v, , rise]) => [v, rise]), { color: ink.orange, dash: "6 4" });
    plot.line(result.curve.filter(([v]) => v > 0).map(([v, , rise]) => [v, rise]), { color: ink.orange, dash: "6 4" });
    plot.line(result.curve.map(([v, y]) => [v, y]));
    plot.dot(x, result.rise, { shape: "square" });
    plot.dot(x, result.output, { color: ink.blue });
    plot.write(-3.8, 3.3, "output (line, round dot)", { color: ink.blue, anchor: "start" });
    plot.write(-3.8, 2.6, "slope (dashes, square)", { color: ink.orange, anchor: "start" });
    return plot.render();
  },
  say(result, { slope, x, layers }) {
    const units = layers === 1 ? "one unit" : `${layers} units`;
    const lost = slope === 1 ? " With a slope of 1 the curve has no bend, so a network of such units computes only straight lines." : "";
    return `At x = ${show(x)} the output is ${show(result.output)} and its slope ${show(result.rise)}. ` +
      `After ${units} at this x, ${show(result.left)} of a gradient is left.${lost}`;
  },
};
