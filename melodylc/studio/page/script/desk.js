// What can be done on the page: every button and every key ends up here.

import { lines, post } from "./api.js";
import { $ } from "./dom.js";
import { complain, say } from "./say.js";

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
      await this.#receive("/api/generate", { ...this.rule, count, seed: seed ?? -1, tempo: this.tempo }, count, this.#generating.signal);
    } finally {
      this.#generating = null;
      this.#busy(false);
    }
  }

  async vary(take) {
    if (take) await this.#change("/api/vary", take, { distance: Number($("distance").value) });
  }

  async mend(take) {
    if (take) await this.#change("/api/mend", take, {});
  }

  async #change(path, take, more) {
    const { run, number } = take.told;
    // What was made for a rule keeps to it; your own file, to what is asked now.
    const rule = take.run.kind === "drop" ? this.rule : take.run.asked ?? this.rule;
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
        if (line.run) section = this.#begin(line.run, expected);
        if (line.take) this.#put(section, line.take);
        if (line.done !== undefined && line.done < expected) say(`${line.done} of ${expected}: the others didn't obey within a hundred draws each`);
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

  #put(section, told) {
    const take = this.runs.put(section, told);
    if (section.takes.length > 1) return;
    if ($("autoplay").checked) this.play(take);
    else this.choose(take);
  }

  dropped({ run, take, tempo }) {
    const section = this.runs.add(run);
    this.transport.setTempo(tempo);
    this.#put(section, take);
    section.folder.scrollIntoView({ block: "nearest" });
  }

  reread(run, choice) {
    return this.drop.reread(run, choice);
  }

  /** What your own files are judged by follows what is asked. */
  async rejudge(takes = this.runs.takes) {
    for (const take of takes.filter((take) => take.run.kind === "drop")) {
      const { run, number } = take.told;
      const told = await post("/api/judge", { ...this.rule, run, number }).catch(() => null);
      if (!told) continue;
      Object.assign(take.run, told.run);
      take.show(told.take);
      take.setPlaying(take === this.current && this.player.playing);
    }
  }

  async restore(run) {
    await this.ask.restore(run.asked, run.kind === "generate" ? run.seed : null, this.runs.section(run.run)?.takes.length || run.takes);
    say("The controls are as they were for this");
  }

  // -- hearing -----------------------------------------------------------------------------------

  async play(take, step = null) {
    this.choose(take);
    try {
      await this.player.play({ ...take.told, take }, step);
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
    $("download-kept").href = `/files/kept.zip?tempo=${this.tempo}`;
    await this.runs.retell(this.tempo).catch(complain);
  }

  // -- keeping -----------------------------------------------------------------------------------

  async mark(take, mark) {
    if (!take) return;
    const { run, number } = take.told;
    try {
      await post("/api/mark", { run, number, mark });
    } catch (error) {
      return complain(error);
    }
    take.setMark(mark);
    this.runs.mark(take);
    if (mark === "discarded") say(`Discarded ${take.title}`, { action: ["Undo", () => this.mark(take, null)] });
  }

  async write(take) {
    if (take) await this.#write({ run: take.told.run, number: take.told.number });
  }

  async writeRun(run) {
    await this.#write({ run: run.run });
  }

  async #write(what) {
    try {
      say(`Wrote ${(await post("/api/write", { ...what, tempo: this.tempo })).path}`);
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
