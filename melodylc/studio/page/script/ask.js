// What is asked of a melody: the controls at the left, as the server takes them, and whether it can be served.

import { post } from "./api.js";
import { $, h } from "./dom.js";
import { Keys } from "./keys.js";
import { Rules } from "./rules.js";
import { sentence } from "./say.js";

const PATIENCE = 150; // milliseconds without a change before the server is asked
const TONIC = { "": null, yes: true, no: false };

export class Ask extends EventTarget {
  #keys;
  #rules;
  #timer = 0;
  #asking = 0;
  plan = { ready: false, summary: "", parts: [], scale: null };

  constructor(about) {
    super();
    const changed = () => this.changed();
    this.#keys = new Keys(about.modes, changed);
    this.#rules = new Rules(about.rules, changed);
    const names = ["", ...Object.keys(about.densities), "range"];
    const words = { "": "Any", range: "Range" };
    $("densities").append(...names.map((name) => {
      const input = h("input", { type: "radio", name: "density", value: name, checked: name === "" });
      return h("label", { title: ends(about.densities[name]) }, input, words[name] ?? name[0].toUpperCase() + name.slice(1));
    }));
    $("ask").addEventListener("change", changed);
    $("densities").addEventListener("input", () => ($("range").hidden = this.#density() !== "range"));
  }

  /** The rule alone. */
  get rule() {
    const density = this.#density();
    return {
      scale: this.#keys.text,
      tonic: this.#keys.hasTonic ? TONIC[$("tonic").value] : null,
      density: density === "range" ? `${$("least").value}..${$("most").value}` : density || null,
      rules: this.#rules.asked,
      variety: $("variety").checked,
    };
  }

  get count() {
    return Math.max(1, Math.min(64, Number($("count").value) || 8));
  }

  get seed() {
    return /^[0-9]{1,15}$/.test($("seed").value.trim()) ? Number($("seed").value) : null;
  }

  /** Set the controls to what was asked before. */
  async restore(asked, seed, count) {
    this.#keys.text = asked.scale;
    $("tonic").value = asked.tonic === true ? "yes" : asked.tonic === false ? "no" : "";
    const [, least, most] = /^(\d+)\.\.(\d+)$/.exec(asked.density ?? "") ?? [];
    const level = least ? "range" : asked.density ?? "";
    for (const input of $("densities").querySelectorAll("input")) input.checked = input.value === level;
    $("range").hidden = level !== "range";
    if (least) [$("least").value, $("most").value] = [least, most];
    $("variety").checked = asked.variety !== false;
    $("seed").value = seed ?? "";
    if (count) $("count").value = count;
    await this.#rules.restore(asked.rules);
    this.changed();
  }

  /** Ask the server, a little later, how this can be served. */
  changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), PATIENCE);
  }

  async refresh() {
    const number = ++this.#asking;
    let plan;
    try {
      plan = await post("/plan", this.rule);
    } catch (error) {
      plan = { ready: false, summary: error.message, parts: [], scale: null, bad: true };
    }
    if (number !== this.#asking) return;
    this.plan = plan;
    $("how").textContent = plan.ready || plan.bad ? sentence(plan.summary) : "";
    $("how").classList.toggle("bad", Boolean(plan.bad));
    this.dispatchEvent(new Event("plan"));
  }

  #density() {
    return $("densities").querySelector(":checked")?.value ?? "";
  }
}

const ends = (range) => (range ? (range[1] ? `${range[0]} to ${range[1]} notes` : `${range[0]} notes or more`) : null);
