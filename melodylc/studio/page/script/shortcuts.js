// Keys, and the list of them.

import { $, h } from "./dom.js";

/** Each: the key, how it is shown, what it does, in words and in deed. */
export function shortcuts(desk) {
  const table = [
    ["g", "G", "generate", () => desk.generate()],
    [" ", "Space", "play, stop", () => desk.toggle()],
    ["n", "N", "next melody", () => desk.go(1)],
    ["b", "B", "melody before", () => desk.go(-1)],
    ["k", "K", "keep", () => desk.mark(desk.current, desk.current?.mark === "keep" ? null : "keep")],
    ["x", "X", "discard", () => desk.mark(desk.current, desk.current?.mark === "discard" ? null : "discard")],
    ["v", "V", "vary it, or its selected bars", () => desk.vary(desk.current)],
    ["f", "F", "fix its key", () => desk.repair(desk.current)],
    ["d", "D", "download it", () => desk.current?.download()],
    ["w", "W", "write it to the folder", () => desk.write(desk.current)],
    ["o", "O", "open a MIDI file", () => $("open-midi").click()],
    ["t", "T", "tempo", () => $("tempo").select()],
    ["?", "?", "this list", () => $("help").showModal()],
  ];
  const deeds = new Map(table.map(([key, , , deed]) => [key, deed]));
  addEventListener("keydown", (event) => {
    const deed = deeds.get(event.key.toLowerCase());
    if (!deed || event.ctrlKey || event.metaKey || event.altKey || $("help").open || typing(event.target, event.key)) return;
    event.preventDefault();
    deed();
  });
  $("help-button").addEventListener("click", () => $("help").showModal());
  const rows = table.flatMap(([, key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)]);
  $("help").append(
    h("h2", { id: "help-title" }, "Keys"), h("dl", {}, rows),
    h("p", { class: "note" }, "In the row of bars: arrows move, Space selects. Tab goes everywhere else."),
    h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")));
}

/** Whether a key is meant for what has the focus. */
function typing(target, key) {
  if (target.matches("select, textarea, input:not([type=checkbox], [type=range], [type=radio])")) return true;
  return key === " " && target.matches("button, a, summary, input, [role=option]");
}
