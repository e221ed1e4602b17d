// Log loss and squared error (after the sigmoid) of a yes-or-no answer.
widgets.log_loss = {
  compute({ truth, logit }) {
    const of = (z) => {
      const toTruth = truth === "real" ? z : -z;
      const right = 1 / (1 + Math.exp(-toTruth)), sign = truth === "real" ? 1 : -1;
      return {
        log: Math.log1p(Math.exp(-toTruth)),
        squared: (1 - right) ** 2,
        logSlope: -sign * (1 - right),
        squaredSlope: -sign * 2 * (1 - right) * right * (1 - right),
      };
    };
    return { probability: 1 / (1 + Math.exp(-logit)), ...of(logit), curve: range(-8, 8, 81).map((z) => [z, of(z)]) };
  },
  draw(result, { truth, logit }) {
    const plot = axes([-8.4, 8.4], [-0.3, 8.4], { xLabel: "logit of the answer", yLabel: "loss" });
    plot.line(result.curve.map(([z, of]) => [z, of.log]));
    plot.line(result.curve.map(([z, of]) => [z, of.squared]), { color: ink.orange, dash: "6 4" });
    plot.dot(logit, result.log, { color: ink.blue });
    plot.dot(logit, result.squared, { shape: "square" });
    const side = truth === "real" ? 1 : -1;
    plot.write(side * 2.8, 5, "log loss (line, round dot)", { color: ink.blue });
    plot.write(side * 2.8, 4.3, "squared error (dashes, square)", { color: ink.orange });
    return plot.render();
  },
  say(result, { truth }) {
    return `The answer is ${show(100 * result.probability, result.probability > 0.99 ? 5 : 3)} % real, and the picture is ${truth}. ` +
      `Log loss ${show(result.log)}, slope ${show(result.logSlope)}. ` +
      `Squared error ${show(result.squared)}, slope ${show(result.squaredSlope)}.`;
  },
};
