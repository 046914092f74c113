// The key: a root, a mode, and twelve keys of a piano that show it, and that make a set of notes of one's own.

import { $, h } from "./dom.js";

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const BLACK = new Set([1, 3, 6, 8, 10]);
const PLACES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13]; // columns of fourteen: a white key has two
const NONE = "";
const OWN = "notes";

export class Keys {
  #modes;
  #own = new Set();
  #changed;

  constructor(modes, changed) {
    this.#modes = new Map(modes.map((mode) => [mode.name, mode]));
    this.#changed = changed;
    const options = [[NONE, "any notes"], ...modes.map((mode) => [mode.name, mode.name]), [OWN, "notes of my own"]];
    $("mode").append(...options.map(([value, text]) => h("option", { value }, text)));
    $("mode").value = "major";
    $("root").append(...NAMES.map((name, value) => h("option", { value }, name)));
    $("keys").append(...NAMES.map((name, pitch) => this.#key(name, pitch)));
    for (const id of ["root", "mode"]) $(id).addEventListener("input", () => this.#turned());
    this.#show();
  }

  /** The scale as one types it, or null. */
  get text() {
    const { mode, root } = this.#chosen();
    if (mode === NONE || (mode === OWN && this.#own.size < 2)) return null;
    return mode === OWN ? [...this.#own].sort((a, b) => a - b).join(",") : `${this.#modes.get(mode).roots[root]} ${mode}`;
  }

  /** Whether it has a tonic to end on. */
  get hasTonic() {
    return this.#modes.has($("mode").value);
  }

  set text(text) {
    const [, root, mode] = /^([A-G][#b]?) (.+)$/.exec(text ?? "") ?? [];
    if (this.#modes.has(mode)) {
      $("mode").value = mode;
      $("root").value = this.#modes.get(mode).roots.indexOf(root);
    } else {
      this.#own = new Set((text ?? "").split(",").filter(Boolean).map(Number));
      $("mode").value = text ? OWN : NONE;
    }
    this.#show();
  }

  #chosen() {
    return { mode: $("mode").value, root: Number($("root").value) };
  }

  #notes() {
    const { mode, root } = this.#chosen();
    if (mode === OWN) return this.#own;
    return new Set((this.#modes.get(mode)?.steps ?? []).map((step) => (root + step) % 12));
  }

  #key(name, pitch) {
    const button = h("button", { type: "button", class: BLACK.has(pitch) && "black", "aria-label": name, onclick: () => this.#toggle(pitch) }, name);
    button.style.gridColumn = `${PLACES[pitch]} / span 2`;
    return button;
  }

  #toggle(pitch) {
    this.#own = new Set(this.#notes());
    if (!this.#own.delete(pitch)) this.#own.add(pitch);
    $("mode").value = OWN;
    this.#turned();
  }

  #turned() {
    if ($("mode").value === OWN && !this.#own.size) this.#own = new Set([0, 2, 4, 7, 9]);
    this.#show();
    this.#changed();
  }

  #show() {
    const { mode, root } = this.#chosen();
    const notes = this.#notes();
    const named = this.#modes.get(mode);
    $("root").disabled = !named;
    const spelt = named?.roots ?? NAMES;
    [...$("root").options].forEach((option, pitch) => (option.textContent = pretty(spelt[pitch])));
    [...$("keys").children].forEach((key, pitch) => {
      key.setAttribute("aria-pressed", String(notes.has(pitch)));
      key.classList.toggle("tonic", Boolean(named) && pitch === root);
    });
    $("tonic-row").hidden = !named;
  }
}

const pretty = (name) => name.replace("#", "♯").replace(/(?<=.)b/, "♭");
