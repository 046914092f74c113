// Your own MIDI: dropped anywhere on the page, or chosen with a button.

import { post } from "./api.js";
import { $ } from "./dom.js";
import { complain } from "./say.js";

export class Drop {
  #desk;
  #largest;
  #files = new Map(); // by run, to read another track of one

  constructor(desk, largest) {
    this.#desk = desk;
    this.#largest = largest;
    let depth = 0;
    const ours = (event) => event.dataTransfer?.types.includes("Files");
    const veil = (on) => $("veil").classList.toggle("on", on);
    addEventListener("dragenter", (event) => ours(event) && veil(++depth > 0));
    addEventListener("dragleave", (event) => ours(event) && veil(--depth > 0));
    addEventListener("dragover", (event) => ours(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      veil((depth = 0) > 0);
      if (!ours(event)) return;
      event.preventDefault();
      this.take([...event.dataTransfer.files]);
    });
    $("open-midi").addEventListener("click", () => $("midi-file").click());
    $("midi-file").addEventListener("change", () => {
      this.take([...$("midi-file").files]);
      $("midi-file").value = "";
    });
  }

  async take(files) {
    for (const file of files) await this.read(file);
  }

  /** Another track or other bars of a file that was dropped before. */
  async reread(run, choice) {
    await this.read(this.#files.get(run.run), choice);
  }

  async read(file, choice = {}) {
    if (!file) return complain(new Error("drop the file again: this page was loaded anew"));
    if (file.size > this.#largest) return complain(new Error(`${file.name} is larger than ${this.#largest >> 20} MiB, which no MIDI file of a piece of music is`));
    const query = new URLSearchParams({ name: file.name, request: JSON.stringify(this.#desk.rule) });
    for (const [key, value] of Object.entries(choice)) if (value) query.set(key, value);
    try {
      const upload = await post(`/upload?${query}`, file);
      this.#files.set(upload.run.run, file);
      this.#desk.dropped(upload);
    } catch (error) {
      const four = error.message.includes("--as-4/4");
      const message = new Error(error.message.replace(": --as-4/4 counts its bars in four quarters", ""));
      complain(message, four ? { action: ["Count in 4/4", () => this.read(file, { ...choice, four: "1" })] } : {});
    }
  }
}
