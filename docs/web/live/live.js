// The page: pointer to pen, pen to network, probabilities to bars. The network is seriatim.js.

import { load } from "./seriatim.js";
import { Pen } from "./pen.js";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const stroke = [];    // where the pen was, in a square of side 1
const history = [];   // log-probabilities after every step
let classifier, pen, told;
let pointer = null;   // that draws
let player = 0;       // counts what is drawn for the visitor, so that a later one ends an earlier
let rows = [];

// ---- Drawing

function down(x, y) {
  stroke.length = history.length = 0;
  stroke.push([x, y]);
  classifier.reset();
  pen.down(x, y);
  $("hint").hidden = true;
  show();
}

function move(x, y) {
  stroke.push([x, y]);
  for (const frame of pen.move(x, y)) history.push(classifier.step(frame).slice());
  show();
}

function up() {
  if (!history.length) return say("That was a dot: draw a longer stroke.");
  const best = greatest(history.at(-1));
  const probability = Math.exp(history.at(-1)[best]);
  const steps = `${history.length} step${history.length > 1 ? "s" : ""}`;
  say(`${named(best)}, ${percent(probability)}, after ${steps}.`);
}

function clear() {
  player++;
  pointer = null;
  stroke.length = history.length = 0;
  classifier.reset();
  $("hint").hidden = false;
  say("Ready.");
  show();
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

function listen() {
  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    player++;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    event.preventDefault();
    say("");
    down(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const part of all.length ? all : [event]) move(...place(part));
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      up();
    });
  }
  $("clear").addEventListener("click", clear);
  addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
  new ResizeObserver(show).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
}

// Draws a stroke for somebody without a pen: at the pace of a hand, or at once where motion is not wanted.
function play(name) {
  const mine = ++player;
  pointer = null;
  const points = told.shown[name];
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  say("");
  down(...points[0]);
  let next = 1;
  const began = performance.now();
  const draw = (now) => {
    if (mine !== player) return;
    const due = still ? points.length : Math.ceil(((now - began) / 1500) * points.length);
    for (; next < Math.min(due, points.length); next++) move(...points[next]);
    if (next < points.length) requestAnimationFrame(draw);
    else up();
  };
  draw(began);
}

// ---- Showing

const percent = (probability) => `${Math.round(100 * probability)}\u00a0%`;
const named = (index) => classifier.classes[index].replace(/^./, (letter) => letter.toUpperCase());
const hue = (index) => Math.round((360 * index) / classifier.classes.length);
const greatest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

function say(text, wrong = false) {
  $("said").textContent = text;
  $("said").classList.toggle("wrong", wrong);
}

let due = false;
function show() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (!classifier) return;
    const last = history.at(-1);
    const best = last ? greatest(last) : -1;
    rows.forEach(({ item, bar, text }, i) => {
      const probability = last ? Math.exp(last[i]) : 0;
      item.classList.toggle("first", i === best);
      bar.style.transform = `scaleX(${probability})`;
      text.textContent = last ? percent(probability) : "";
    });
    $("steps").textContent = last ? `step ${history.length}` : "no step yet";
    drawStroke(best);
    drawHistory();
  });
}

// A canvas with as many points as the screen has, to be drawn on in units of its width.
function sheet(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const ratio = devicePixelRatio || 1;
  const [across, along] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== along) [canvas.width, canvas.height] = [across, along];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

const color = (index) => getComputedStyle(rows[index].item.querySelector("svg")).stroke;

function drawStroke(best) {
  const { context, width } = sheet(canvas);
  if (!stroke.length) return;
  context.strokeStyle = context.fillStyle = best < 0 ? getComputedStyle(canvas).color : color(best);
  context.lineWidth = Math.max(4, width / 90);
  context.lineJoin = context.lineCap = "round";
  context.beginPath();
  for (const [x, y] of stroke) context.lineTo(x * width, y * width);
  context.stroke();
  context.beginPath();
  context.arc(stroke[0][0] * width, stroke[0][1] * width, context.lineWidth, 0, 2 * Math.PI);
  context.fill();
}

// The probabilities above each other, a column a step.
function drawHistory() {
  const { context, width, height } = sheet($("history"));
  const step = width / Math.max(60, history.length);
  const tops = new Float64Array(history.length);
  rows.forEach((_, i) => {
    context.fillStyle = color(i);
    history.forEach((values, t) => {
      const [left, part] = [Math.floor(t * step), height * Math.exp(values[i])];
      context.fillRect(left, tops[t], Math.ceil((t + 1) * step) - left, part);
      tops[t] += part;
    });
  });
}

// A stroke in a square of 100, in the middle and as large as that lets it be.
function icon(points) {
  const [left, right, top, bottom] = [0, 1].flatMap((axis) =>
    [Math.min, Math.max].map((f) => f(...points.map((point) => point[axis]))));
  const scale = 84 / Math.max(right - left, bottom - top);
  const drawn = points.map(([x, y]) =>
    [50 + scale * (x - (left + right) / 2), 50 + scale * (y - (top + bottom) / 2)].map((number) => number.toFixed(1)));
  return `<svg viewBox="0 0 100 100" aria-hidden="true"><polyline points="${drawn.join(" ")}"/></svg>`;
}

function list() {
  rows = classifier.classes.map((name, i) => {
    const item = document.createElement("li");
    item.style.setProperty("--hue", hue(i));
    item.innerHTML = `<button type="button">${icon(told.shown[name])}
      <span class="name"></span><span class="bar" aria-hidden="true"><i></i></span><span class="percent"></span></button>`;
    const [button, label] = [item.querySelector("button"), item.querySelector(".name")];
    label.textContent = name;
    button.title = `Draw: ${name}`;
    button.addEventListener("click", () => play(name));
    $("classes").append(item);
    return { item, bar: item.querySelector("i"), text: item.querySelector(".percent") };
  });
}

async function facts() {
  $("trained").textContent = `${told.strokes.toLocaleString("en")} of them`;
  $("held-out").textContent = told.held_out.toLocaleString("en");
  for (const [share, right] of Object.entries(told.right)) {
    const row = $("right").insertRow();
    row.insertCell().textContent = percent(share);
    row.insertCell().textContent = `${(100 * right).toFixed(1)} %`;
  }
  for (const { name, decodedBodySize } of performance.getEntriesByType("resource")) {
    const size = `${(decodedBodySize / 1000).toFixed(0)} KB`;
    if (name.endsWith(".wasm")) $("wasm-size").textContent = size;
    if (name.endsWith(".safetensors")) $("model-size").textContent = size;
  }
  // Before anything is drawn: the stream is used for it.
  const frame = [1, 0];
  for (let i = 0; i < 3000; i++) classifier.step(frame);
  const began = performance.now();
  for (let i = 0; i < 2000; i++) classifier.step(frame);
  $("speed").textContent = `${((performance.now() - began) / 2).toFixed(1)} µs`;
  classifier.reset();
}

// ---- Start

try {
  [classifier, told] = await Promise.all([
    load("gestures.safetensors", "seriatim.wasm"),
    fetch("gestures.json").then((answer) => answer.json()),
  ]);
  pen = new Pen(told.step);
  list();
  await facts();
  listen();
  $("clear").disabled = false;
  document.documentElement.dataset.live = "ready";
  say("Ready.");
  show();
} catch (error) {
  document.documentElement.dataset.live = "failed";
  const built = /\.wasm: 404/.test(error.message) ? " This copy of the site was built without it: run make web." : "";
  say(`The network cannot run here. ${error.message}.${built}`, true);
  throw error;
}

/** What was seen and said last, for whoever looks from the console. */
globalThis.live = { get classes() { return classifier.classes; }, stroke, history };
