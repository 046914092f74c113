// Remarks: a line at the bottom that goes away by itself, read out by screen readers.

import { $, h } from "./dom.js";

const SECONDS = 5;

/** Show a remark; `action` is a button's [label, function]. */
export function say(text, { bad = false, action = null } = {}) {
  const line = h("p", { class: bad && "bad" }, h("span", {}, sentence(text)));
  if (action) line.append(h("button", { type: "button", onclick: () => (line.remove(), action[1]()) }, action[0]));
  $("say").replaceChildren(line);
  setTimeout(() => line.remove(), 1000 * (bad || action ? 3 * SECONDS : SECONDS));
}

/** Something succeeded: what went wrong before is no longer news. */
export const settle = () => $("say").querySelector(".bad")?.remove();

/** Show what went wrong. */
export const complain = (error, more = {}) => say(error.message, { bad: true, ...more });

/** A message as a sentence; one that begins with a file's name keeps that as it is. */
export function sentence(text) {
  if (!text) return "";
  const first = /^[^:]*\.\w{1,5}: /.test(text) ? text[0] : text[0].toUpperCase();
  return first + text.slice(1) + (/[.!?:)]$/.test(text) ? "" : ".");
}
