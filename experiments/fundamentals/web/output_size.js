// The positions of a window on a padded picture, and the size of the feature map.
widgets.output_size = {
  compute({ size, kernel, stride, padding }) {
    const padded = size + 2 * padding, fits = padded >= kernel;
    const output = fits ? Math.floor((padded - kernel) / stride) + 1 : 0;
    return { padded, fits, output, unused: fits ? padded - kernel - (output - 1) * stride : padded };
  },
  draw({ padded, fits, output, unused }, { size, kernel, stride, padding }) {
    const cell = Math.min(18, 164 / padded), left = 2, top = 58, right = 190, parts = [];
    const sum = `(${size} + 2 · ${padding} − ${kernel}) / ${stride}`;
    parts.push(text(2, 16, fits ? `⌊ ${sum} ⌋ + 1 = ${output}` : `${size} + 2 · ${padding} is less than ${kernel}`, { anchor: "start", size: 15, bold: true }));
    parts.push(text(2, 48, `picture, padded: ${padded} × ${padded}`, { anchor: "start" }));
    const reached = padded - unused;
    for (let i = 0; i < padded; i++) for (let j = 0; j < padded; j++) {
      const [x, y] = [left + j * cell, top + i * cell];
      const inside = Math.min(i, j) >= padding && Math.max(i, j) < padding + size;
      parts.push(rectangle(x, y, cell, cell, { fill: inside ? "#d5d9de" : "#ffffff", stroke: ink.grey, line: 0.5, dash: inside ? "" : "2 1.5" }));
      if (Math.max(i, j) >= reached) parts.push(segment(x, y, x + cell, y + cell, { color: ink.purple }));
    }
    const windowAt = (i, j, color, dash) => parts.push(rectangle(left + j * stride * cell, top + i * stride * cell, kernel * cell, kernel * cell, { stroke: color, line: 2.5, dash }));
    for (let i = 0; i < output; i++) for (let j = 0; j < output; j++) {
      parts.push(`<circle cx="${left + (j * stride + 0.5) * cell}" cy="${top + (i * stride + 0.5) * cell}" r="2.5" fill="${ink.black}"/>`);
    }
    if (fits) windowAt(0, 0, ink.blue, "");
    if (output > 1) windowAt(0, 1, ink.orange, "5 3");
    parts.push(text(right, 48, fits ? `feature map: ${output} × ${output}` : "no feature map", { anchor: "start" }));
    for (let p = 0; p < output * output; p++) {
      const [i, j] = [Math.floor(p / output), p % output];
      parts.push(rectangle(right + j * cell, top + i * cell, cell, cell, { fill: "#d5d9de", stroke: ink.grey, line: 0.5 }));
    }
    if (output > 1) parts.push(rectangle(right + cell, top, cell, cell, { stroke: ink.orange, line: 2.5, dash: "3 2" }));
    if (fits) parts.push(rectangle(right, top, cell, cell, { stroke: ink.blue, line: 2.5 }));
    return drawing(360, top + 170, parts);
  },
  say({ padded, fits, output, unused }, { size, kernel, stride, padding }) {
    if (!fits) return `The kernel does not fit: the picture has ${padded} rows with its padding, and the kernel needs ${kernel}.`;
    const places = output === 1 ? "one position" : `${output} positions`;
    const gaps = stride > kernel && output > 1 ? "The stride is larger than the window, so the window skips pixels. " : "";
    const end = unused === 1 ? "The window never covers one row and one column at the end, which are crossed out."
      : unused > 1 ? `The window never covers ${unused} rows and ${unused} columns at the end, which are crossed out.` : "";
    return `A picture of ${size} × ${size} with a padding of ${padding} is ${padded} × ${padded}. The window of ${kernel} × ${kernel}, ` +
      `moved by ${stride}, has ${places} in each direction, so the feature map is ${output} × ${output}. ${gaps + end || "It covers every pixel."}`;
  },
};
