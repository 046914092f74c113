// The history: what each click made, the latest first, each with its seed and the command line that makes it again.

import { archiveUrl, get } from "./api.js";
import { $, h, s } from "./dom.js";
import { complain, say, sentence } from "./say.js";
import { Take } from "./takes.js";

const KINDS = { generate: "generated", vary: "varied", repair: "key fixed", upload: "your file" };

export class Runs {
  #desk;
  #sections = new Map();
  takes = []; // in the order of the page

  constructor(desk) {
    this.#desk = desk;
    this.#empty();
  }

  /** A new run at the top; `expected` places wait for its melodies. */
  add(run, expected = 0) {
    $("runs").querySelector(".empty")?.remove();
    const grid = h("div", { class: "takes" }, Array.from({ length: expected }, () => h("div", { class: "take waiting", "aria-hidden": "true" })));
    const meta = h("span", { class: "meta" });
    const command = run.command ? h("code", { tabindex: 0, "aria-label": "The command line that makes these files" }, run.command) : null;
    const folder = h("details", { class: "run", open: true, "data-run": run.run },
      h("summary", {}, h("h2", {}, run.title), meta), this.#tray(run, command), grid);
    $("runs").prepend(folder);
    const section = { run, folder, grid, meta, command, takes: [], unread: false };
    this.#sections.set(run.run, section);
    this.#tell(section);
    return section;
  }

  /** A run of before, folded; its melodies come when it is opened. */
  remember(run) {
    const section = this.add(run);
    section.unread = true;
    section.folder.open = false;
    section.folder.addEventListener("toggle", () => section.folder.open && this.open(section).catch(complain));
    this.#tell(section);
    return section;
  }

  async open(section) {
    section.folder.open = true;
    if (!section.unread) return;
    section.unread = false;
    for (const take of await get(`/runs/${section.run.run}/melodies`)) this.put(section, take);
    if (section.run.kind === "upload") await this.#desk.rescore(section.takes);
  }

  /** Open every run of which something is kept. */
  async openKept() {
    for (const section of this.#sections.values()) if (kept(section)) await this.open(section);
  }

  /** A melody takes the place that waits for it. */
  put(section, melody) {
    const take = new Take(melody, section.run, this.#desk);
    const waiting = section.grid.querySelector(".waiting");
    if (waiting) waiting.replaceWith(take.element);
    else section.grid.append(take.element);
    section.takes.push(take);
    this.#order();
    this.#tell(section);
    return take;
  }

  /** No more will come. */
  close(section) {
    for (const waiting of section.grid.querySelectorAll(".waiting")) waiting.remove();
    if (!section.takes.length) {
      section.folder.remove();
      this.#sections.delete(section.run.run);
      this.#empty();
    }
  }

  /** Fold older runs of the same kind, but for the one that is playing. */
  fold(newest) {
    for (const { run, folder, takes } of this.#sections.values())
      if (folder !== newest.folder && run.kind === "generate" && !takes.some((take) => take === this.#desk.current)) folder.open = false;
  }

  section(number) {
    return this.#sections.get(number);
  }

  /** The command lines name the tempo that files have now. */
  async retell(tempo) {
    for (const run of await get(`/runs?tempo=${tempo}`)) {
      const command = this.#sections.get(run.run)?.command;
      if (command) command.textContent = run.command;
    }
    for (const { run, folder } of this.#sections.values()) folder.querySelector(".zip").href = archiveUrl(run, tempo);
  }

  #tray(run, command) {
    const desk = this.#desk;
    const zip = h("a", { class: "button zip", download: true, href: archiveUrl(run, desk.tempo) }, "Download all");
    const copy = command && h("button", { type: "button", onclick: () => copied(command.textContent) }, "Copy");
    const folder = command && h("button", { type: "button", onclick: () => desk.writeRun(run), title: `Write them to ${desk.folder}` }, "All to folder");
    const again = run.request && h("button", { type: "button", onclick: () => desk.restore(run) }, "Ask this again");
    const discards = h("button", { type: "button", class: "hidden-takes", hidden: true, "aria-pressed": "false", onclick: () => {
      const shown = this.#sections.get(run.run).grid.classList.toggle("discards");
      discards.setAttribute("aria-pressed", String(shown));
    } });
    const tray = h("div", { class: "tray" }, command, copy, again, folder, zip, discards);
    const remarks = run.remarks.length ? h("p", { class: "remarks" }, sentence(run.remarks.join("; "))) : null;
    return h("div", {}, remarks, run.kind === "upload" ? h("div", { class: "drop-tray" }, this.#again(run), tray) : tray);
  }

  /** Another track or other bars of the same file. */
  #again(run) {
    const track = h("input", { "aria-label": "Track: its number or name", placeholder: "track" });
    const bars = h("input", { "aria-label": "Bars, as in 5..20", placeholder: "bars 5..20" });
    const read = () => this.#desk.reread(run, { track: track.value, bars: bars.value });
    return h("div", { class: "again" }, track, bars, h("button", { type: "button", onclick: read }, "Read again"));
  }

  mark(take) {
    this.#tell(this.#sections.get(take.melody.run));
  }

  #tell(section) {
    const { run, takes, folder, unread } = section;
    const gone = unread ? run.discard : takes.filter((take) => take.mark === "discard").length;
    const all = [...this.#sections.values()].reduce((sum, section) => sum + kept(section), 0);
    const seed = run.kind === "upload" ? [] : [`seed ${run.seed}`];
    section.meta.textContent = [KINDS[run.kind], ...seed, plural((unread ? run.melodies : takes.length) - gone, "melody", "melodies")].join(" · ");
    const button = folder.querySelector(".hidden-takes");
    button.hidden = !gone;
    button.textContent = `${gone} discarded`;
    $("kept-count").textContent = all || "";
    $("download-kept").hidden = !all;
  }

  #order() {
    this.takes = [...$("runs").querySelectorAll(".run")].flatMap((folder) => this.#sections.get(Number(folder.dataset.run)).takes);
  }

  #empty() {
    if (this.#sections.size) return;
    const steps = [[0, 9, 3], [3, 7, 1], [4, 6, 3], [7, 4, 2], [9, 6, 1], [10, 7, 5], [15, 9, 1], [16, 5, 3], [19, 3, 4], [23, 6, 2], [25, 7, 6]];
    const notes = steps.map(([x, y, width]) => s("rect", { x: 10 * x + 1, y: 8 * y, width: 10 * width - 2, height: 6, rx: 2, fill: "currentColor" }));
    $("runs").append(h("section", { class: "empty" },
      s("svg", { viewBox: "0 0 312 90", "aria-hidden": "true" }, notes),
      h("h2", {}, "Sixteen bars that follow your rule"),
      h("p", {}, "Choose a key and press Generate. Or drop a MIDI file of your own anywhere on this page, to see it, vary it, or bring it into the key.")));
  }
}

/** How many of a run's melodies are kept. */
const kept = ({ run, takes, unread }) => (unread ? run.keep : takes.filter((take) => take.mark === "keep").length);

const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

async function copied(text) {
  await navigator.clipboard.writeText(text);
  say("The command line is on the clipboard");
}
