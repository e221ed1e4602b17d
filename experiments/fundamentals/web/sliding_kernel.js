// A kernel of 3 x 3 weights at every position of a small picture, and the number that it computes there.
widgets.sliding_kernel = {
  compute({ kernel, position }, { picture, kernels }) {
    const weights = kernels[kernel], side = picture.length - 2;
    const products = (row, column) => weights.map((line, i) => line.map((weight, j) => weight * picture[row + i][column + j]));
    const sum = (block) => block.flat().reduce((total, value) => total + value, 0);
    const place = (p) => [Math.floor(p / side), p % side];
    const map = range(0, side * side - 1, side * side).map((p) => sum(products(...place(p))));
    const [row, column] = place(position - 1);
    return { row, column, side, map, products: products(row, column), value: map[position - 1] };
  },
  draw({ row, column, side, map, products, value }, { kernel, position }, { picture, kernels }) {
    const parts = [], cell = 18, wide = 22.5, block = 40, right = 222, lower = 232;
    const edges = kernel.includes("edges");
    const square = (x, y, size, words, grey, options = {}) => {
      const shade = Math.round(255 * Math.min(Math.max(grey, 0), 1));
      parts.push(rectangle(x, y, size, size, { fill: `rgb(${shade},${shade},${shade})`, stroke: ink.grey, line: 0.5 }));
      parts.push(text(x + size / 2, y + size / 2 + 4, words, { size: 11, color: shade < 118 ? "#ffffff" : "#000000", ...options }));
    };
    const weight = (w) => (Number.isInteger(w) ? show(w) : "1/9");
    const heading = (x, y, words) => parts.push(text(x, y, words, { anchor: "start", bold: true }));
    heading(2, 14, "picture");
    picture.forEach((line, i) => line.forEach((grey, j) => square(2 + j * cell, 20 + i * cell, cell, grey, grey / 9)));
    parts.push(rectangle(2 + column * cell, 20 + row * cell, 3 * cell, 3 * cell, { stroke: "#ffffff", line: 5 }));
    parts.push(rectangle(2 + column * cell, 20 + row * cell, 3 * cell, 3 * cell, { stroke: ink.orange, line: 3 }));
    heading(right, 14, "kernel");
    kernels[kernel].forEach((line, i) => line.forEach((w, j) => square(right + j * block, 20 + i * block, block, weight(w), 1, { size: 13 })));
    heading(2, lower - 6, "feature map");
    map.forEach((made, p) => {
      const [x, y] = [2 + (p % side) * wide, lower + Math.floor(p / side) * wide];
      if (p < position) square(x, y, wide, show(made, 2), edges ? made / 36 + 0.5 : made / 9);
      else parts.push(rectangle(x, y, wide, wide, { stroke: ink.grey, line: 0.5, dash: "2 2" }));
    });
    parts.push(rectangle(2 + column * wide, lower + row * wide, wide, wide, { stroke: ink.orange, line: 3 }));
    heading(right, lower - 6, "pixels × weights");
    products.forEach((line, i) => line.forEach((w, j) => square(right + j * block, lower + i * block, block, show(w, 2), 1, { size: 13 })));
    parts.push(text(right + 1.5 * block, lower + 3 * block + 26, `sum: ${show(value, 3)}`, { size: 15, bold: true, color: ink.orange }));
    return drawing(360, lower + side * wide + 4, parts);
  },
  say({ row, column, side, products, value }, { kernel, position }) {
    const terms = products.flat().map((product) => show(product, 2).replace(/^−.*$/, "($&)")).join(" + ");
    return `Position ${position} of ${side * side}: the window starts in row ${row + 1}, column ${column + 1} of the picture. ` +
      `With the kernel “${kernel}” its nine products add up to ${terms} = ${show(value, 3)}.`;
  },
};
