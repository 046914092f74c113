// The page comes to life.

import { get } from "./api.js";
import { Ask } from "./ask.js";
import { Desk } from "./desk.js";
import { $ } from "./dom.js";
import { Drop } from "./drop.js";
import { Fit } from "./fit.js";
import { Player } from "./player.js";
import { Runs } from "./runs.js";
import { complain } from "./say.js";
import { shortcuts } from "./shortcuts.js";
import { Transport } from "./transport.js";

const OPEN = 3; // runs that are drawn when the page is loaded

async function start() {
  const about = await get("/info");
  const player = new Player();
  const desk = new Desk(about, player);
  const ask = new Ask(about);
  const runs = new Runs(desk);
  desk.join({ ask, runs, transport: new Transport(player, desk, about.tempo), drop: new Drop(desk, about.largest_file) });
  new Fit(ask);
  shortcuts(desk);
  $("ask").addEventListener("submit", (event) => (event.preventDefault(), desk.generate()));
  ask.addEventListener("plan", () => desk.rescore());
  for (const id of ["distance", "strength"]) $(id).addEventListener("input", () => ($(`${id}-out`).textContent = Number($(id).value).toFixed(2)));
  for (const show of ["all", "kept"]) $(`show-${show}`).addEventListener("click", () => filter(runs, show).catch(complain));
  await remember(runs);
  await ask.refresh();
  document.documentElement.dataset.ready = "true";
}

/** What was made before the page was loaded; only the latest is drawn at once, the others when they are opened. */
async function remember(runs) {
  const sections = (await get("/runs")).map((run) => runs.remember(run));
  for (const section of sections.slice(-OPEN)) await runs.open(section);
}

async function filter(runs, show) {
  $("runs").dataset.show = show;
  for (const name of ["all", "kept"]) $(`show-${name}`).setAttribute("aria-pressed", String(name === show));
  if (show === "kept") await runs.openKept();
}

start().catch(complain);
