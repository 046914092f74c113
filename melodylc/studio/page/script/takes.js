// One melody: its roll, what its rule says of it, and what can be done with it.

import { fileUrl } from "./api.js";
import { h, icon } from "./dom.js";
import { roll } from "./roll.js";
import { STEPS } from "./synth.js";

export class Take {
  #desk;
  #actions = {};

  /** `desk` does what the buttons ask for: play, mark, vary, repair, write; and knows the tempo. */
  constructor(melody, run, desk) {
    this.#desk = desk;
    this.melody = melody;
    this.run = run;
    this.element = h("article", { class: "take", tabindex: -1 });
    this.show(melody);
  }

  get key() {
    return `${this.melody.run}/${this.melody.number}`;
  }

  get title() {
    return `${this.run.title}, ${this.melody.number}`;
  }

  get mark() {
    return this.melody.mark;
  }

  get bars() {
    return this.roll.bars.selected();
  }

  /** Draw it, or draw it anew. */
  show(melody) {
    this.melody = melody;
    const labels = this.run.parts.map((part) => part.label);
    this.roll = roll(melody, this.run.scale, labels, () => this.#named());
    this.roll.picture.addEventListener("click", (event) => this.#desk.play(this, this.#stepAt(event)));
    this.roll.picture.addEventListener("dragstart", (event) => this.#drag(event));
    this.element.setAttribute("aria-label", this.title);
    this.element.replaceChildren(this.#header(labels), this.roll.element, this.#buttons());
    this.setMark(melody.mark);
    this.#named();
  }

  setMark(mark) {
    this.melody.mark = mark;
    this.element.dataset.mark = mark ?? "";
    this.#actions.keep.setAttribute("aria-pressed", String(mark === "keep"));
    this.#actions.discard.textContent = mark === "discard" ? "Bring back" : "Discard";
  }

  setPlaying(playing) {
    this.element.classList.toggle("playing", playing);
    this.#actions.play.replaceChildren(icon(playing ? "stop" : "play"), playing ? "Stop" : "Play");
  }

  /** Move the line to a step. */
  at(step) {
    this.roll.playhead.style.left = `${(100 * step) / STEPS}%`;
    const scroller = this.roll.element;
    if (scroller.scrollWidth > scroller.clientWidth) {
      const place = (step / STEPS) * scroller.scrollWidth - scroller.clientWidth / 2;
      if (Math.abs(scroller.scrollLeft - place) > scroller.clientWidth / 4) scroller.scrollLeft = place;
    }
  }

  #header(labels) {
    const chips = this.melody.rewards.map((reward, index) => {
      const held = reward === 1;
      const share = `${Math.floor(100 * reward)} %`;
      return h("span", { class: held ? "yes" : "no", title: held ? null : `${share} of what the rule asks` }, held ? labels[index] : `not ${labels[index]} yet: ${share}`);
    });
    const count = `${this.melody.notes.length} notes`;
    return h("header", {}, h("h3", { class: "numeral" }, String(this.melody.number)), h("div", { class: "chips" }, chips, h("span", {}, count)));
  }

  #buttons() {
    const desk = this.#desk;
    const wrong = this.melody.outside.length > 0;
    const button = (name, text, act, more = {}) => (this.#actions[name] = h("button", { type: "button", class: name, onclick: act, ...more }, text));
    const drag = h("a", { class: "button drag", draggable: "true", download: this.melody.file, href: "#", title: "Drag it into your DAW, or click to download", "aria-keyshortcuts": "D" }, icon("drag"), "MIDI");
    drag.addEventListener("dragstart", (event) => this.#drag(event));
    for (const moment of ["pointerdown", "focus", "click"]) drag.addEventListener(moment, () => (drag.href = this.url));
    this.#actions.drag = drag;
    return h("div", { class: "actions" },
      button("play", [icon("play"), "Play"], () => desk.toggle(this)),
      button("keep", [icon("keep"), "Keep"], () => desk.mark(this, this.mark === "keep" ? null : "keep"), { "aria-pressed": "false" }),
      button("vary", "Vary", () => desk.vary(this)),
      wrong && button("repair", "Fix the key", () => desk.repair(this)),
      button("discard", "Discard", () => desk.mark(this, this.mark === "discard" ? null : "discard"), { class: "discard end" }),
      button("write", "To folder", () => desk.write(this), { title: `Write it to ${desk.folder}` }),
      drag);
  }

  get url() {
    return fileUrl(this.melody, this.#desk.tempo);
  }

  download() {
    this.#actions.drag.href = this.url;
    this.#actions.drag.click();
  }

  /** Say what Vary and Fix would change. */
  #named() {
    const bars = this.bars;
    const where = bars.length ? ` bar${bars.length > 1 ? "s" : ""} ${bars.join(", ")}` : "";
    this.#actions.vary.textContent = bars.length ? `Vary${where}` : "Vary";
    if (this.#actions.repair) this.#actions.repair.textContent = bars.length ? `Fix the key of${where}` : "Fix the key";
  }

  #stepAt(event) {
    const box = this.roll.picture.getBoundingClientRect();
    return Math.floor((STEPS * (event.clientX - box.left)) / box.width / 16) * 16;
  }

  /** What a DAW gets when the melody is dropped on it: in Chromium the file itself. */
  #drag(event) {
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData("DownloadURL", `audio/midi:${this.melody.file}:${this.url}`);
    event.dataTransfer.setData("text/uri-list", this.url);
    event.dataTransfer.setData("text/plain", this.melody.file);
  }
}
