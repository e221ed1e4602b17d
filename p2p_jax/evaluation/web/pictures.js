"use strict";

// Sorts the pairs and the table of their values, and shows a pair at full size with a movable boundary between two pictures.

function openSorting() {
  const choice = document.getElementById("order"), list = document.getElementById("pairs");
  if (!choice || !list) return;
  const given = [...list.children], said = document.getElementById("order-said");
  const arrange = () => {
    const [name, first] = choice.value.split(" ");
    const metric = PAGE.metrics.find((each) => each.name === name);
    let order = given.map((_, i) => i);
    if (name === "name") order.sort((a, b) => given[a].dataset.name.localeCompare(given[b].dataset.name, "en", { numeric: true }));
    else if (metric) order = ordered(given.map((item) => PAGE.pairs[item.dataset.index][PAGE.metrics.indexOf(metric)]), metric.best, first === "worst");
    list.append(...order.map((i) => given[i]));
    list.classList.toggle("sorted", name !== "given");
    keep({ order: choice.value });
  };
  choice.addEventListener("change", () => {
    arrange();
    said.textContent = `Sorted: ${choice.selectedOptions[0].textContent}.`;
  });
  const kept = recall().order;
  if (kept && [...choice.options].some((each) => each.value === kept)) {
    choice.value = kept;
    arrange();
  }
  choice.closest("[hidden]").hidden = false;
}

function openTable() {
  const table = document.getElementById("values-of-pairs");
  if (!table) return;
  const rows = [...table.tBodies[0].rows], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const text = head.textContent;
    head.textContent = "";
    button(head, text, "", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const words = (row) => row.cells[column].textContent, numbers = column > 0;
      const value = (row) => (row.cells[column].dataset.value === undefined ? null : Number(row.cells[column].dataset.value));
      const order = numbers
        ? ordered(rows.map(value), up ? "lower" : "higher", false).map((i) => rows[i])
        : [...rows].sort((a, b) => (up ? 1 : -1) * words(a).localeCompare(words(b), "en", { numeric: true }));
      table.tBodies[0].append(...order);
    });
  });
}

function openViewer() {
  const viewer = document.getElementById("viewer"), list = document.getElementById("pairs");
  if (!viewer || !list || !viewer.showModal) return;
  const part = (name) => document.getElementById(`viewer-${name}`);
  const [title, scores, split, under, over, frame, handle] =
    ["name", "scores", "split", "under", "over", "frame", "handle"].map(part);
  const selects = [part("left"), part("right")];
  let item = null;

  const pictures = () => Object.fromEntries([...item.querySelectorAll("img")].map((each) => [each.dataset.title, each]));

  function move(value) {
    split.value = value;
    over.style.clipPath = `inset(0 ${100 - value}% 0 0)`;
    handle.style.left = `${value}%`;
    split.setAttribute("aria-valuetext", `${selects[0].value} on the left ${Math.round(value)} %, ${selects[1].value} on the right`);
  }

  function fill() {
    const found = pictures(), [left, right] = selects.map((each) => found[each.value]);
    const enlarge = Math.max(1, Math.floor(512 / right.naturalWidth));
    for (const [image, source] of [[over, left], [under, right]]) {
      image.src = source.src;
      image.alt = source.alt;
      image.width = right.naturalWidth * enlarge;
      image.height = right.naturalHeight * enlarge;
    }
    frame.classList.toggle("pixels", enlarge > 1);
    title.textContent = item.dataset.name;
    scores.textContent = `${item.querySelector(".scores").textContent} ${right.naturalWidth} × ${right.naturalHeight} pixels` +
      (enlarge > 1 ? `, enlarged ${enlarge} times.` : ".");
    move(Number(split.value));
  }

  function show(next) {
    item = next;
    fill();
  }

  const step = (count) => {
    const items = [...list.children];
    show(items[(items.indexOf(item) + count + items.length) % items.length]);
  };
  const drag = (event) => {
    const area = frame.getBoundingClientRect();
    move(Math.min(Math.max(((event.clientX - area.left) / area.width) * 100, 0), 100));
  };

  const first = list.querySelector(".pair");
  if (first) {
    const titles = [...first.querySelectorAll("img")].map((each) => each.dataset.title);
    selects.forEach((each, i) => {
      each.replaceChildren(...titles.map((text) => new Option(text, text)));
      each.value = titles.find((text) => text.startsWith(["output", "target"][i])) || titles[0];
      each.addEventListener("change", fill);
    });
  }
  for (const each of list.querySelectorAll(".pair")) {
    const trio = each.querySelector(".trio");
    trio.disabled = false;
    trio.addEventListener("click", () => {
      split.value = 50;
      show(each);
      viewer.showModal();
      split.focus();
    });
  }
  viewer.addEventListener("close", () => {
    const trio = item.querySelector(".trio");
    trio.focus();
    item.scrollIntoView({ block: "nearest" });
  });
  viewer.addEventListener("keydown", (event) => {
    const move = { PageDown: 1, PageUp: -1, n: 1, p: -1 }[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
    event.preventDefault();
    step(move);
  });
  split.addEventListener("input", () => move(Number(split.value)));
  frame.addEventListener("pointerdown", (event) => { frame.setPointerCapture(event.pointerId); drag(event); event.preventDefault(); });
  frame.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  part("close").addEventListener("click", () => viewer.close());
}

// A printed page shows everything that is folded.
function openForPrinting() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });
}

// The page of a run that is still training is loaded again after some seconds, unless that is paused.
function openReloading() {
  const place = document.getElementById("reloading");
  if (!place) return;
  const seconds = Number(place.dataset.seconds);
  let timer = null;
  const set = (paused) => {
    clearTimeout(timer);
    timer = paused ? null : setTimeout(() => location.reload(), seconds * 1000);
    toggle.textContent = paused ? "Go on updating" : "Pause updating";
    keep({ paused });
  };
  const toggle = button(place, "", "", () => set(timer !== null));
  set(Boolean(recall().paused));
}

openCharts();
openSorting();
openTable();
openViewer();
openForPrinting();
openReloading();
