// Rules beside key and density: those that are installed, and files that were named when the studio was started.

import { get } from "./api.js";
import { $, h } from "./dom.js";
import { complain } from "./say.js";

export class Rules {
  #known;
  #rows = [];
  #changed;

  constructor(known, changed) {
    this.#known = known;
    this.#changed = changed;
    const groups = Map.groupBy ? Map.groupBy(known, (rule) => rule.origin) : new Map([["Rules", known]]);
    for (const [origin, rules] of groups)
      $("add-rule").append(h("optgroup", { label: origin }, rules.map((rule) => h("option", { value: rule.rule, title: rule.summary }, rule.label))));
    $("add-rule").addEventListener("change", () => this.#add());
  }

  /** What is asked, as the server takes it. */
  get asked() {
    return this.#rows.map(({ rule, inputs, weight }) => {
      const turned = inputs.filter(({ input, value }) => input.value !== value && input.value !== "");
      return { rule, parameters: Object.fromEntries(turned.map(({ name, input }) => [name, input.value])), weight: 2 ** Number(weight.value) };
    });
  }

  /** Show these again. */
  async restore(asked) {
    for (const row of this.#rows) row.element.remove();
    this.#rows = [];
    for (const { rule, parameters, weight } of asked ?? []) {
      const row = await this.#row(rule);
      for (const { name, input } of row.inputs) input.value = parameters[name] ?? input.value;
      row.weight.value = Math.log2(weight ?? 1);
      row.weight.dispatchEvent(new Event("input"));
    }
  }

  async #add() {
    const chosen = $("add-rule").value;
    $("add-rule").value = "";
    if (chosen === "") return;
    try {
      const row = await this.#row(Number(chosen));
      (row.inputs[0]?.input ?? row.weight).focus();
    } catch (error) {
      complain(error);
    }
    this.#changed();
  }

  async #row(rule) {
    const known = this.#known[rule];
    const details = await get(`/rules/${rule}`);
    const id = `rule-${crypto.randomUUID()}`;
    const inputs = details.parameters.map(({ name, kind, value, required }, index) => {
      const input = h("input", { id: `${id}-${index}`, value, required, placeholder: required ? "must be given" : "", title: kind });
      input.value = value;
      return { name, value, input, row: h("div", { class: "row" }, h("label", { for: `${id}-${index}` }, name), input) };
    });
    const weight = h("input", { id: `${id}-weight`, type: "range", min: -2, max: 2, step: 0.5, value: 0 });
    const shown = h("output", {}, "1");
    weight.addEventListener("input", () => (shown.textContent = String(Math.round(100 * 2 ** weight.value) / 100)));
    const remove = h("button", { type: "button", "aria-label": `Remove ${known.label}`, onclick: () => this.#remove(row) }, "✕");
    const element = h("li", { title: known.summary },
      h("header", {}, known.label, remove),
      inputs.map((it) => it.row),
      h("div", { class: "row" }, h("label", { for: `${id}-weight`, title: "What it counts while an actor is fitted" }, "Weight ", shown), weight));
    element.addEventListener("change", () => this.#changed());
    const row = { rule, inputs, weight, element };
    this.#rows.push(row);
    $("rules").append(element);
    return row;
  }

  #remove(row) {
    this.#rows = this.#rows.filter((other) => other !== row);
    row.element.remove();
    $("add-rule").focus();
    this.#changed();
  }
}
