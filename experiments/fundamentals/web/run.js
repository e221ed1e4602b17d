// Adds the controls of every widget on the page, and draws the widget again when one changes.
for (const place of document.querySelectorAll("[data-widget]")) {
  const { compute, draw, say } = widgets[place.dataset.widget];
  const { controls, data, play } = JSON.parse(place.querySelector("script").textContent);
  const inputs = {};
  const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
  const picture = make("div"), reading = make("p", { className: "reading" });

  const update = () => {
    const values = {};
    for (const control of controls) {
      const input = inputs[control.name];
      values[control.name] = input.value;
      if (control.kind === "slider") {
        values[control.name] = control.power ? 10 ** Number(input.value) : Number(input.value);
        input.shown.textContent = show(values[control.name], control.power ? 2 : 4);
        input.setAttribute("aria-valuetext", input.shown.textContent);
      }
    }
    const result = compute(values, data);
    picture.innerHTML = draw(result, values, data);
    reading.textContent = say(result, values, data);
  };

  for (const control of controls) {
    const label = make("label", { textContent: `${control.label} ` });
    let input;
    if (control.kind === "slider") {
      input = make("input", { type: "range", min: control.low, max: control.high, step: control.step });
      input.value = control.value;
      input.shown = make("output");
      label.append(input.shown);
    } else {
      input = make("select");
      for (const [value, words] of control.options) input.append(make("option", { value, textContent: words }));
    }
    label.append(input);
    input.addEventListener("input", update);
    inputs[control.name] = input;
    place.append(label);
  }

  if (play) {
    const button = make("button", { type: "button", textContent: "Play" });
    let timer = null;
    const stop = () => {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
      reading.setAttribute("aria-live", "polite");
    };
    button.addEventListener("click", () => {
      if (timer !== null) return stop();
      button.textContent = "Pause";
      reading.setAttribute("aria-live", "off");
      const input = inputs[play];
      timer = setInterval(() => {
        input.value = Number(input.value) < Number(input.max) ? Number(input.value) + Number(input.step) : input.min;
        update();
      }, 500);
    });
    place.append(button);
  }

  reading.setAttribute("aria-live", "polite");
  place.append(picture, reading);
  update();
}
