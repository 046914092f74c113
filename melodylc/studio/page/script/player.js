// One melody sounds at a time, over and over, without a seam; another takes over at the same place in the bar.

import { renderLoop, STEPS } from "./synth.js";

const FADE = 0.012; // seconds in which one melody gives way to the next
const SOON = 0.02;

export class Player extends EventTarget {
  #context = null;
  #out = null;
  #sounding = null; // {source, gain}
  #wishes = 0; // how often something else was wanted
  #origin = 0; // the context's time at which step 0 was, or would have been
  take = null;
  tempo = 120;
  volume = 0.8;

  get playing() {
    return this.#sounding !== null;
  }

  /** The step that is heard now, 0..256. */
  get step() {
    if (!this.playing) return 0;
    const late = this.#context.outputLatency || this.#context.baseLatency || 0;
    return this.#at(this.#context.currentTime - late);
  }

  /** Play a melody from a step; without one, from where the last is, else from the start. */
  async play(take, step = null) {
    const wish = ++this.#wishes;
    this.#wake();
    await this.#context.resume();
    if (wish !== this.#wishes) return;
    const now = this.#context.currentTime + SOON;
    this.#start(take, step ?? (this.playing ? this.#at(now) : 0), now);
  }

  stop() {
    this.#wishes++;
    if (!this.playing) return;
    this.#end(this.#context.currentTime);
    this.#tell();
  }

  /** What sounds goes on at another tempo from where it is. */
  setTempo(tempo) {
    if (tempo === this.tempo) return;
    const now = this.playing ? this.#context.currentTime + SOON : 0;
    const step = this.playing ? this.#at(now) : 0;
    this.tempo = tempo;
    if (this.playing) this.#start(this.take, step, now);
  }

  setVolume(volume) {
    this.volume = volume;
    this.#out?.gain.setTargetAtTime(volume, this.#context.currentTime, 0.02);
  }

  #at(time) {
    const steps = ((time - this.#origin) * this.tempo * 4) / 60;
    return ((steps % STEPS) + STEPS) % STEPS;
  }

  #start(take, step, when) {
    const samples = renderLoop(take.notes, this.tempo, this.#context.sampleRate);
    const buffer = this.#context.createBuffer(1, samples.length, this.#context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer, loop: true });
    const gain = new GainNode(this.#context, { gain: 0 });
    const begin = Math.max(when, this.#context.currentTime);
    const later = ((begin - when) * this.tempo * 4) / 60; // making the samples took time
    const from = (step + later) % STEPS;
    source.connect(gain).connect(this.#out);
    this.#end(begin);
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(1, begin + (from ? FADE : 0.001));
    source.start(begin, (from / STEPS) * buffer.duration);
    this.#origin = begin - (from * 60) / (this.tempo * 4);
    this.#sounding = { source, gain };
    this.take = take;
    this.#tell();
  }

  #end(when) {
    if (!this.#sounding) return;
    const { source, gain } = this.#sounding;
    gain.gain.cancelScheduledValues(when);
    gain.gain.setValueAtTime(1, when);
    gain.gain.linearRampToValueAtTime(0, when + FADE);
    source.stop(when + 2 * FADE);
    this.#sounding = null;
  }

  #wake() {
    if (this.#context) return;
    this.#context = new AudioContext({ latencyHint: "interactive" });
    this.#out = new GainNode(this.#context, { gain: this.volume });
    this.#out.connect(this.#context.destination);
    const room = new ConvolverNode(this.#context, { buffer: this.#room() });
    const wet = new GainNode(this.#context, { gain: 0.14 });
    this.#out.connect(room).connect(wet).connect(this.#context.destination);
  }

  /** A small room: a second of noise that dies away, the same every time. */
  #room() {
    const { sampleRate } = this.#context;
    const buffer = this.#context.createBuffer(2, sampleRate, sampleRate);
    let seed = 1;
    for (const channel of [0, 1]) {
      const samples = buffer.getChannelData(channel);
      for (let i = 0; i < samples.length; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
        samples[i] = (seed / 2 ** 31) * Math.exp((-7 * i) / sampleRate);
      }
    }
    return buffer;
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
