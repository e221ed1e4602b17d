// Plain descent, momentum and Adam on four surfaces of two weights, as optax computes them.
{
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
  const surfaces = {
    bowl: { loss: (a, b) => 0.5 * a * a + b * b, gradient: (a, b) => [a, 2 * b] },
    valley: { loss: (a, b) => 0.5 * a * a + 50 * b * b, gradient: (a, b) => [a, 100 * b] },
    bumpy: {
      loss: (a, b) => 0.15 * (a * a + b * b) + 0.2 * (2 - Math.cos(3 * a) - Math.cos(3 * b)),
      gradient: (a, b) => [0.3 * a + 0.6 * Math.sin(3 * a), 0.3 * b + 0.6 * Math.sin(3 * b)],
    },
    cliff: {
      loss: (a, b) => 0.05 * (a + 1.5) ** 2 + 0.2 * b * b + 0.5 * (softplus(40 * a) - softplus(40 * (a - 1))),
      gradient: (a, b) => [0.1 * (a + 1.5) + 20 * (sigmoid(40 * a) - sigmoid(40 * (a - 1))), 0.4 * b],
    },
  };
  // Each returns a function from a gradient to a step, which remembers earlier gradients.
  const methods = {
    plain: (rate) => (gradient) => gradient.map((g) => -rate * g),
    momentum(rate) {
      let sum = [0, 0];
      return (gradient) => {
        sum = sum.map((s, i) => 0.9 * s + gradient[i]);
        return sum.map((s) => -rate * s);
      };
    },
    Adam(rate) {
      let mean = [0, 0], square = [0, 0], t = 0;
      return (gradient) => {
        t += 1;
        mean = mean.map((m, i) => 0.9 * m + 0.1 * gradient[i]);
        square = square.map((v, i) => 0.999 * v + 0.001 * gradient[i] ** 2);
        return mean.map((m, i) => (-rate * (m / (1 - 0.9 ** t))) / (Math.sqrt(square[i] / (1 - 0.999 ** t)) + 1e-8));
      };
    },
  };

  // A contour as an SVG path: in each cell of a grid, one or two pieces between the points where it crosses the cell's edges.
  const contour = (loss, level, X, Y, columns = 72, rows = 48) => {
    const across = range(-3, 3, columns + 1), up = range(-2, 2, rows + 1);
    const heights = up.map((b) => across.map((a) => loss(a, b) - level));
    const pieces = [];
    for (let j = 0; j < rows; j++) {
      for (let i = 0; i < columns; i++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], found = [];
        corners.forEach(([i0, j0], k) => {
          const [i1, j1] = corners[(k + 1) % 4], from = heights[j0][i0], to = heights[j1][i1];
          if (from < 0 === to < 0) return;
          const t = from / (from - to), mix = (values, p, q) => values[p] + t * (values[q] - values[p]);
          found.push(`${X(mix(across, i0, i1)).toFixed(1)} ${Y(mix(up, j0, j1)).toFixed(1)}`);
        });
        for (let k = 0; k + 1 < found.length; k += 2) pieces.push(`M${found[k]}L${found[k + 1]}`);
      }
    }
    return `<path d="${pieces.join("")}" fill="none" stroke="${ink.grey}" stroke-width="0.8"/>`;
  };

  widgets.descent = {
    compute({ surface, method, rate, steps }, { starts }) {
      const { loss, gradient } = surfaces[surface], move = methods[method](rate);
      const path = [starts[surface]], values = [loss(...path[0])];
      let diverged = false;
      while (path.length <= steps && !diverged) {
        const here = path.at(-1), by = move(gradient(...here)), next = here.map((w, i) => w + by[i]);
        path.push(next);
        values.push(loss(...next));
        diverged = values.at(-1) > 1e9;
      }
      return { path, losses: values, diverged };
    },
    draw({ path }, { surface }, { levels }) {
      const plot = axes([-3, 3], [-2, 2], { xLabel: "weight w₁", yLabel: "weight w₂" });
      for (const level of levels[surface]) plot.add(contour(surfaces[surface].loss, level, plot.X, plot.Y));
      plot.line(path, { line: 1.5 });
      for (const [a, b] of path.slice(1, -1)) plot.dot(a, b, { color: ink.blue, radius: 2.2 });
      plot.dot(...path[0], { color: ink.black, shape: "square" });
      plot.dot(...path.at(-1), { radius: 6 });
      return plot.render();
    },
    say({ path, losses, diverged }, { rate }) {
      const [a, b] = path.at(-1), last = losses.at(-1), count = path.length - 1;
      const outside = Math.abs(a) > 3 || Math.abs(b) > 2 ? ", outside the map" : "";
      const growing = last > 10 * losses[0] && last > losses.at(-2);
      return `Learning rate ${show(rate)}. After ${count} step${count === 1 ? "" : "s"} from the black square the large round dot ` +
        `is at w₁ = ${show(a)}, w₂ = ${show(b)}${outside}. Its loss is ${show(last)}; at the start it was ${show(losses[0])}.` +
        (diverged ? " The descent has run away and was stopped." : growing ? " It runs away: the learning rate is too large." : "");
    },
  };
}
