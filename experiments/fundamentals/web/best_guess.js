// L1 and L2 of one guess for several prices.
widgets.best_guess = {
  compute({ guess }, { prices }) {
    const mean = (f) => prices.reduce((sum, price) => sum + f(price), 0) / prices.length;
    const of = (g) => [mean((price) => Math.abs(g - price)), mean((price) => (g - price) ** 2)];
    const [l1, l2] = of(guess);
    return { l1, l2, curve: range(0, 10, 101).map((g) => [g, ...of(g)]) };
  },
  draw(result, { guess }, { prices }) {
    const plot = axes([-0.3, 10.3], [-1, 55], { xLabel: "guess", yLabel: "loss" });
    plot.line(result.curve.map(([g, l1]) => [g, l1]));
    plot.line(result.curve.map(([g, , l2]) => [g, l2]), { color: ink.orange, dash: "6 4" });
    for (const price of prices) plot.line([[price, -1], [price, 1.5]], { color: ink.black, line: 3 });
    plot.dot(guess, result.l1, { color: ink.blue });
    plot.dot(guess, result.l2, { shape: "square" });
    plot.write(8, 10, "L1 (line, round dot)", { color: ink.blue });
    plot.write(6.5, 30, "L2 (dashes, square)", { color: ink.orange, anchor: "end" });
    return plot.render();
  },
  say(result, { guess }) {
    return `With a guess of ${show(guess)}: L1 is ${show(result.l1)}, L2 is ${show(result.l2)}. The thick marks at the bottom are the five prices.`;
  },
};
