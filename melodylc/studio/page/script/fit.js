// Fitting an actor for a rule that nothing has learnt: offered, followed, stopped.

import { get, post } from "./api.js";
import { $, h } from "./dom.js";
import { complain, say, sentence, settle } from "./say.js";

const EVERY = 700; // milliseconds

export class Fit {
  #ask;
  #busy = false;

  constructor(ask) {
    this.#ask = ask;
    ask.addEventListener("plan", () => this.#offer());
    this.#follow();
  }

  /** Begin, as the button does. */
  async start() {
    try {
      await post("/fit", this.#ask.rule);
      settle();
      this.#follow();
    } catch (error) {
      complain(error);
    }
  }

  #offer() {
    if (this.#busy) return;
    const { ready, bad } = this.#ask.plan;
    $("fit").hidden = ready || bad;
    if (ready || bad) return;
    $("fit").replaceChildren(
      h("p", {}, "Nothing has learnt this rule yet. That takes a minute or two, once; it is there for the next time, here and on the command line."),
      h("div", { class: "buttons" }, h("button", { type: "button", id: "fit-start", onclick: () => this.start() }, "Fit it")));
  }

  async #follow() {
    const progress = await get("/fit").catch(() => null);
    const was = this.#busy;
    this.#busy = progress?.busy ?? false;
    if (this.#busy) {
      this.#show(progress);
      setTimeout(() => this.#follow(), EVERY);
    } else if (was) {
      this.#over(progress);
    }
  }

  #show(progress) {
    const percent = (rate) => `${Math.round(100 * rate)} %`;
    const words = progress.round
      ? `Round ${progress.round} of ${progress.rounds}: ${percent(progress.rate)} follow the rule${progress.best === null ? "" : `, best ${percent(progress.best)}`}.`
      : progress.message || "Starting.";
    const bar = h("progress", { max: progress.rounds, value: progress.round || null, "aria-label": "Fitting" });
    const stopping = progress.state === "stopping";
    const focused = document.activeElement?.id;
    $("fit").hidden = false;
    $("fit").replaceChildren(
      h("p", {}, h("strong", {}, `Fitting ${progress.title}`)), bar, h("p", {}, stopping ? "Stopping; measuring the best so far." : words),
      h("div", { class: "buttons" },
        h("button", { type: "button", id: "fit-keep", disabled: stopping || progress.best === null, onclick: () => this.#stop(true) }, "Stop, keep the best"),
        h("button", { type: "button", id: "fit-cancel", onclick: () => this.#stop(false) }, "Cancel")));
    if (focused?.startsWith("fit-")) $(focused)?.focus();
  }

  async #stop(keep) {
    await post("/fit/stop", { keep }).catch(complain);
  }

  #over(progress) {
    if (progress?.state === "done") say(`${progress.title}: learnt; ${Math.round(100 * progress.rate)} % of single melodies follow it`);
    else if (progress?.message) say(sentence(progress.message), { bad: progress.state === "failed" });
    this.#ask.refresh();
  }
}
