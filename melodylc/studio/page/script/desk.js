// What can be done on the page: every button and every key ends up here.

import { keepersUrl, lines, post } from "./api.js";
import { $ } from "./dom.js";
import { complain, say, settle } from "./say.js";

export class Desk {
  #generating = null; // an AbortController
  current = null; // the melody that plays, or was chosen last

  constructor(about, player) {
    this.folder = about.folder;
    $("folder").textContent = about.folder;
    this.player = player;
    player.addEventListener("change", () => this.#mirror());
  }

  /** The parts of the page that it works with. */
  join({ ask, runs, transport, drop }) {
    Object.assign(this, { ask, runs, transport, drop });
  }

  get tempo() {
    return this.player.tempo;
  }

  get rule() {
    return this.ask.rule;
  }

  // -- making ------------------------------------------------------------------------------------

  async generate() {
    if (this.#generating) return this.#generating.abort();
    await this.ask.refresh();
    if (!this.ask.plan.ready) return $("fit-start")?.focus();
    const { count, seed } = this.ask;
    this.#generating = new AbortController();
    this.#busy(true);
    try {
      await this.#receive("/generate", { ...this.rule, count, seed: seed ?? -1, tempo: this.tempo }, count, this.#generating.signal);
    } finally {
      this.#generating = null;
      this.#busy(false);
    }
  }

  async vary(take) {
    if (take) await this.#change("/vary", take, { distance: Number($("distance").value) });
  }

  async repair(take) {
    if (take) await this.#change("/repair", take, {});
  }

  async #change(path, take, more) {
    const { run, number } = take.melody;
    // What was made for a rule keeps to it; your own file, to what is asked now.
    const rule = take.run.kind === "upload" ? this.rule : take.run.request ?? this.rule;
    const strength = Number($("strength").value);
    take.element.setAttribute("aria-busy", "true");
    await this.#receive(path, { ...rule, run, number, bars: take.bars, strength, ...more });
    take.element.removeAttribute("aria-busy");
  }

  /** Show a run and its melodies as they come. */
  async #receive(path, body, expected = 0, signal = undefined) {
    let section = null;
    try {
      for await (const line of lines(path, body, signal)) {
        if (line.run) {
          section = this.#begin(line.run, expected);
          settle();
        }
        if (line.melody) this.#put(section, line.melody);
        if (line.end !== undefined && line.end < expected) say(`${line.end} of ${expected}: no more followed the rule within a hundred draws each`);
      }
    } catch (error) {
      if (error.name !== "AbortError") complain(error);
    }
    if (section) this.runs.close(section);
  }

  #begin(run, expected) {
    const section = this.runs.add(run, expected);
    if (run.kind === "generate") this.runs.fold(section);
    section.folder.scrollIntoView({ block: "start" });
    return section;
  }

  #put(section, melody) {
    const take = this.runs.put(section, melody);
    if (section.takes.length > 1) return;
    if ($("autoplay").checked) this.play(take);
    else this.choose(take);
  }

  dropped({ run, melody, tempo }) {
    settle();
    const section = this.runs.add(run);
    this.transport.setTempo(tempo);
    this.#put(section, melody);
    section.folder.scrollIntoView({ block: "nearest" });
  }

  reread(run, choice) {
    return this.drop.reread(run, choice);
  }

  /** What your own files are judged by follows what is asked. */
  async rescore(takes = this.runs.takes) {
    for (const take of takes.filter((take) => take.run.kind === "upload")) {
      const { run, number } = take.melody;
      const scored = await post("/score", { ...this.rule, run, number }).catch(() => null);
      if (!scored) continue;
      Object.assign(take.run, scored.run);
      take.show(scored.melody);
      take.setPlaying(take === this.current && this.player.playing);
    }
  }

  async restore(run) {
    await this.ask.restore(run.request, run.kind === "generate" ? run.seed : null, this.runs.section(run.run)?.takes.length || run.melodies);
    say("The controls are as they were for this");
  }

  // -- hearing -----------------------------------------------------------------------------------

  async play(take, step = null) {
    this.choose(take);
    try {
      await this.player.play({ ...take.melody, take }, step);
    } catch (error) {
      complain(new Error(`no sound: ${error.message}`));
    }
  }

  /** Play a melody, or stop it where it plays. */
  toggle(take = this.current ?? this.runs.takes[0]) {
    if (!take) return this.generate();
    if (this.player.playing && this.current === take) this.player.stop();
    else this.play(take);
  }

  /** The melody so many places further on that isn't hidden. */
  go(places) {
    const takes = this.runs.takes.filter((take) => take.element.checkVisibility());
    if (!takes.length) return;
    const index = takes.indexOf(this.current);
    const take = takes[(Math.max(index, places > 0 ? -1 : 0) + places + takes.length) % takes.length];
    if (this.player.playing) this.play(take);
    else this.choose(take);
    take.element.scrollIntoView({ block: "nearest" });
  }

  choose(take) {
    this.current?.element.removeAttribute("aria-current");
    this.current?.setPlaying(false);
    this.current = take;
    take.element.setAttribute("aria-current", "true");
    if (!this.player.playing) $("now").textContent = take.title;
  }

  async retempo() {
    $("download-kept").href = keepersUrl(this.tempo);
    await this.runs.retell(this.tempo).catch(complain);
  }

  // -- keeping -----------------------------------------------------------------------------------

  async mark(take, mark) {
    if (!take) return;
    const { run, number } = take.melody;
    try {
      await post("/mark", { run, number, mark });
    } catch (error) {
      return complain(error);
    }
    settle();
    take.setMark(mark);
    this.runs.mark(take);
    if (mark === "discard") say(`Discarded ${take.title}`, { action: ["Undo", () => this.mark(take, null)] });
  }

  async write(take) {
    if (take) await this.#write({ run: take.melody.run, number: take.melody.number });
  }

  async writeRun(run) {
    await this.#write({ run: run.run });
  }

  async #write(what) {
    try {
      say(`Wrote ${(await post("/write", { ...what, tempo: this.tempo })).path}`);
    } catch (error) {
      complain(error);
    }
  }

  #busy(busy) {
    $("generate").firstChild.textContent = busy ? "Stop " : "Generate ";
    $("generate").setAttribute("aria-busy", String(busy));
  }

  #mirror() {
    for (const take of this.runs.takes) take.setPlaying(take === this.current && this.player.playing);
  }
}
