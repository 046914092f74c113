// The bar at the bottom: what plays, where it is, how fast and how loud.

import { $, icon } from "./dom.js";

export class Transport {
  #player;
  #desk;

  constructor(player, desk, [slowest, fastest]) {
    this.#player = player;
    this.#desk = desk;
    $("back").append(icon("back"));
    $("next").append(icon("next"));
    $("play").append(icon("play"));
    $("play").addEventListener("click", () => desk.toggle());
    $("back").addEventListener("click", () => desk.go(-1));
    $("next").addEventListener("click", () => desk.go(1));
    $("tempo-dial").addEventListener("input", () => this.#turn($("tempo-dial").value));
    $("tempo").addEventListener("change", () => this.#turn($("tempo").value));
    $("tempo-dial").addEventListener("change", () => desk.retempo());
    $("tempo").addEventListener("change", () => desk.retempo());
    $("volume").addEventListener("input", () => player.setVolume(Number($("volume").value)));
    [$("tempo").min, $("tempo").max] = [slowest, fastest];
    player.addEventListener("change", () => this.#show());
    requestAnimationFrame(() => this.#tick());
  }

  setTempo(tempo) {
    this.#turn(tempo);
    this.#desk.retempo();
  }

  #turn(text) {
    const [least, most] = [Number($("tempo").min), Number($("tempo").max)];
    const tempo = Math.min(most, Math.max(least, Math.round(100 * Number(text)) / 100 || 120));
    $("tempo").value = tempo;
    $("tempo-dial").value = tempo;
    this.#player.setTempo(tempo);
  }

  #show() {
    const { playing } = this.#player;
    $("play").replaceChildren(icon(playing ? "stop" : "play"));
    $("play").setAttribute("aria-label", playing ? "Stop" : "Play");
    $("now").textContent = this.#desk.current?.title ?? "Nothing is playing";
    if (!playing) $("bar").textContent = "";
    document.title = playing ? `▶ ${this.#desk.current.title} · melodylc studio` : "melodylc studio";
  }

  #tick() {
    if (this.#player.playing) {
      const { step } = this.#player;
      $("bar").textContent = `bar ${Math.floor(step / 16) + 1}`;
      this.#desk.current?.at(step);
    }
    requestAnimationFrame(() => this.#tick());
  }
}
