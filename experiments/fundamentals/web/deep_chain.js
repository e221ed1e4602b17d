// A chain of single units, h(k) = f(w h(k - 1)) from h(0) = 1: how much of the gradient at its end reaches each unit.
widgets.deep_chain = {
  compute({ activation, layers, weight }) {
    const functions = {
      sigmoid: (x) => 1 / (1 + Math.exp(-x)),
      tanh: Math.tanh,
      relu: (x) => Math.max(0, x),
    };
    const slopes = {
      sigmoid: (x) => functions.sigmoid(x) * (1 - functions.sigmoid(x)),
      tanh: (x) => 1 - Math.tanh(x) ** 2,
      relu: (x) => (x > 0 ? 1 : 0),
    };
    const factors = [];
    let h = 1;
    for (let k = 0; k < layers; k++) {
      factors.push(weight * slopes[activation](weight * h));
      h = functions[activation](weight * h);
    }
    const reached = [1];  // the gradients from the input to the last unit
    for (const factor of factors.reverse()) reached.unshift(reached[0] * factor);
    return { output: h, reached };
  },
  draw({ reached }, { layers }) {
    const powers = reached.map(Math.log10);
    const low = Math.min(...powers) < -20 ? -40 : Math.min(...powers) < -10 ? -20 : -10;
    const plot = axes([0, 33], [low, 10], { xLabel: "unit (0 is the input)", yLabel: "gradient at the unit, as a power of ten" });
    plot.line([[0, 0], [33, 0]], { color: ink.grey, line: 1, dash: "3 3" });
    plot.line(powers.map((power, k) => [k, power]));
    powers.forEach((power, k) => plot.dot(k, power, { color: ink.blue, radius: 3 }));
    plot.dot(layers, 0, { shape: "square" });
    const free = powers[0] > 0 ? -2.5 : 2.5;  // the side of the line without the curve
    plot.write(layers > 16 ? layers - 1 : layers + 1, free, "starts at 1 here", { color: ink.orange, anchor: layers > 16 ? "end" : "start" });
    return plot.render();
  },
  say({ reached }, { activation, layers, weight }) {
    const name = activation === "relu" ? "ReLU" : activation;
    const units = layers === 1 ? "one unit" : `${layers} units`;
    const kept = reached[0] > 1.001 ? "it has grown" : reached[0] < 0.999 ? "it has shrunk" : "it is unchanged";
    return `Back through ${units} with ${name} and weights of ${show(weight)}, a gradient of 1 at the end becomes ${show(reached[0])} at the input: ${kept}.`;
  },
};
