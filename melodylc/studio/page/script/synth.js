// A melody as samples: sixteen bars, to the sample. What still sounds where the loop ends goes on at its beginning, so
// that a buffer which repeats has no seam.
//
// A note is read from two tables of one wave each, a bright and a dark one, between which it fades: a plucked sound
// without a sample from anywhere.

export const STEPS = 256;
const SIZE = 2048;
const MOST = 16; // harmonics
const ATTACK = 0.004;
const FADE = 0.22; // seconds in which the brightness falls to 1/e
const DECAY = 0.6;
const SUSTAIN = 0.3;
const RELEASE = 0.06;
const TAIL = 7 * RELEASE;
const GAIN = 0.3;

const tables = new Map();

/** Samples of sixteen bars: round(rate * 3,840 / tempo). */
export function loopFrames(tempo, rate) {
  return Math.round((rate * 3840) / tempo);
}

/** The loop, Float32Array, of notes [pitch, start, end] in sixteenths. */
export function renderLoop(notes, tempo, rate) {
  const frames = loopFrames(tempo, rate);
  const sound = new Float32Array(frames);
  for (const [pitch, start, end] of notes) {
    const first = Math.round((start / STEPS) * frames);
    const last = Math.round((end / STEPS) * frames);
    addNote(sound, 440 * 2 ** ((pitch - 69) / 12), first, last - first, rate);
  }
  return sound;
}

function addNote(sound, frequency, first, length, rate) {
  const harmonics = Math.max(1, Math.min(MOST, Math.floor(rate / 2 / frequency)));
  const bright = table(harmonics, 1.25);
  const dark = table(harmonics, 2.6);
  const total = Math.min(length + Math.round(TAIL * rate), sound.length);
  const turn = (frequency * SIZE) / rate;
  const attack = Math.max(1, Math.round(ATTACK * rate));
  const [fading, decaying, releasing] = [FADE, DECAY, RELEASE].map((seconds) => Math.exp(-1 / (seconds * rate)));
  let [phase, brightness, body, release] = [0, 1, 1 - SUSTAIN, 1];
  for (let index = 0, at = first; index < total; index++, at++) {
    if (at >= sound.length) at -= sound.length;
    const place = phase | 0;
    const part = phase - place;
    const lit = bright[place] + part * (bright[place + 1] - bright[place]);
    const dull = dark[place] + part * (dark[place + 1] - dark[place]);
    const rise = index < attack ? index / attack : 1;
    sound[at] += GAIN * rise * release * (SUSTAIN + body) * (dull + brightness * (lit - dull));
    brightness *= fading;
    body *= decaying;
    if (index >= length) release *= releasing;
    phase += turn;
    if (phase >= SIZE) phase -= SIZE;
  }
}

function table(harmonics, fall) {
  const key = `${harmonics} ${fall}`;
  if (!tables.has(key)) {
    const wave = new Float32Array(SIZE + 1);
    for (let k = 1; k <= harmonics; k++)
      for (let i = 0; i <= SIZE; i++) wave[i] += Math.sin((2 * Math.PI * k * i) / SIZE) / k ** fall;
    tables.set(key, wave);
  }
  return tables.get(key);
}
