// Piano rolls: bars on a grid, notes outside the scale in red, and below it the sixteen bars to choose from.

import { h, s } from "./dom.js";
import { STEPS } from "./synth.js";

const BLACK = new Set([1, 3, 6, 8, 10]);
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const ROW = 10;
const WIDTH = 4; // of a step
const LEAST_ROWS = 15;
const LEGIBLE = 32; // rows
const CLOSE = 26;

/** A pitch in words, 60 being C4. */
export const pitchName = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;

/** The roll of a take: {element, playhead, bars}; `onbars` is told when other bars are selected. */
export function roll(take, scale, labels, onbars) {
  const [low, high] = range(take.notes.map(([pitch]) => pitch));
  const playhead = h("div", { class: "playhead" });
  const picture = h("div", { class: "roll", draggable: "true", title: "Drag into your DAW; click to play from here" }, draw(take, scale, low, high), playhead);
  const bars = barStrip(take, labels, onbars);
  const names = h("div", { class: "pitches", "aria-hidden": "true" }, octaves(low, high));
  const sheet = h("div", { class: "sheet" }, names, picture, bars.element);
  return { element: h("div", { class: "scroller" }, sheet), picture, playhead, bars };
}

function range(pitches) {
  const low = pitches.length ? Math.min(...pitches) : 60;
  const high = pitches.length ? Math.max(...pitches) : 60;
  const more = Math.max(0, LEAST_ROWS - (high - low + 1));
  const first = Math.max(0, low - 1 - (more >> 1));
  return [first, Math.min(127, Math.max(high + 1, first + LEAST_ROWS - 1))];
}

function draw(take, scale, low, high) {
  const rows = high - low + 1;
  const inside = scale ? new Set(scale.notes) : null;
  const outside = new Set(take.outside);
  const parts = [];
  // Over many octaves notes stand taller than their row, and shades would only flicker.
  const tall = Math.max(1, rows / LEGIBLE);
  for (let pitch = low; pitch <= high && tall < 1.4; pitch++)
    if (inside ? !inside.has(pitch % 12) : BLACK.has(pitch % 12))
      parts.push(s("rect", { class: "shade", x: 0, y: (high - pitch) * ROW, width: STEPS * WIDTH, height: ROW }));
  for (let step = 4; step < STEPS; step += 4)
    parts.push(s("line", { class: step % 16 ? "beat" : "barline", x1: step * WIDTH, x2: step * WIDTH, y1: 0, y2: rows * ROW }));
  take.notes.forEach(([pitch, start, end], index) => {
    const place = { x: start * WIDTH + 0.4, y: (high - pitch + 0.5 - tall / 2) * ROW + 0.8, width: (end - start) * WIDTH - 0.8, height: tall * ROW - 1.6 };
    const words = `${pitchName(pitch)}, bar ${(start >> 4) + 1}${outside.has(index) ? ", outside the scale" : ""}`;
    parts.push(s("rect", { class: outside.has(index) ? "note out" : "note", ...place }, s("title", {}, words)));
  });
  const box = { viewBox: `0 0 ${STEPS * WIDTH} ${rows * ROW}`, preserveAspectRatio: "none", role: "img", "aria-label": described(take) };
  return s("svg", box, parts);
}

function described(take) {
  const pitches = take.notes.map(([pitch]) => pitch);
  if (!pitches.length) return "Piano roll: no notes";
  const red = take.outside.length ? `, ${take.outside.length} outside the scale` : "";
  return `Piano roll: ${pitches.length} notes from ${pitchName(Math.min(...pitches))} to ${pitchName(Math.max(...pitches))}${red}`;
}

function octaves(low, high) {
  const rows = high - low + 1;
  const found = [];
  const steps = rows <= CLOSE ? [0, 4, 7] : [0]; // C, and E and G where there is room
  for (let pitch = low; pitch <= high; pitch++) {
    if (!steps.includes(pitch % 12)) continue;
    const name = h("span", {}, pitchName(pitch));
    name.style.top = `${(100 * (high - pitch + 0.5)) / rows}%`;
    found.push(name);
  }
  return found;
}

/** What is wrong in each bar, in words; "" for nothing. */
export function complaints(take, labels) {
  const reds = Array(16).fill(0);
  for (const index of take.outside) reds[take.notes[index][1] >> 4]++;
  return reds.map((count, bar) => {
    const others = take.bars[bar].map((part) => labels[part]).filter((label) => label && !label.startsWith("in "));
    const words = count ? [`${count} ${count === 1 ? "note" : "notes"} outside the scale`] : [];
    return [...words, ...others.map((label) => `not ${label}`)].join(", ");
  });
}

const chosen = (option) => option.getAttribute("aria-selected") === "true";

/** Sixteen bars, of which any may be selected: by a click, or with the arrows and the space bar. */
function barStrip(take, labels, onchange) {
  const wrong = complaints(take, labels);
  const options = wrong.map((words, bar) =>
    h("div", {
      role: "option", class: words && "wrong", "aria-selected": "false", tabindex: bar ? -1 : 0,
      "aria-label": `Bar ${bar + 1}${words && `: ${words}`}`, title: words,
    }, String(bar + 1)));
  const element = h("div", { class: "bars", role: "listbox", "aria-multiselectable": "true", "aria-orientation": "horizontal", "aria-label": "Bars that may change; none selected means all" }, options);
  const toggle = (option) => {
    option.setAttribute("aria-selected", String(!chosen(option)));
    onchange();
  };
  const focus = (index) => {
    options.forEach((option, bar) => (option.tabIndex = bar === index ? 0 : -1));
    options[index].focus();
  };
  element.addEventListener("click", (event) => {
    const index = options.indexOf(event.target);
    if (index >= 0) (focus(index), toggle(event.target));
  });
  element.addEventListener("keydown", (event) => {
    const index = options.indexOf(document.activeElement);
    const moves = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: 15 };
    if (event.key === " " || event.key === "Enter") toggle(options[index]);
    else if (event.key in moves) focus(Math.max(0, Math.min(15, moves[event.key])));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const selected = () => options.flatMap((option, bar) => (chosen(option) ? [bar + 1] : []));
  return { element, selected, wrong };
}
