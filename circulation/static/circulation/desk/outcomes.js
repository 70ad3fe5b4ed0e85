/* From an answer to what the desk shows of it: an icon, a word, a sentence, and whether it needs a look. */

import { say } from "./texts.js";

const STEPS = {
  hold: () => ["bookmark", say("hold")],
  transit: (next) => ["local_shipping", say("transit", { branch: next.branch ?? next.reservation?.branch ?? "" })],
  lend: () => ["front_hand", say("handOver")],
};

/** `{tone, icon, word, told, title}`; of refusals also `reasons` and the codes that may be overridden. */
export function outcomeOf({ status, body }) {
  if (status >= 300) {
    return refusal(status, body?.error ?? {});
  }
  const { action, next, copy, loan, undo } = body.data;
  const shown = { told: body.message, title: copy?.title ?? loan?.title ?? "", undo: undo ?? null };
  if (action === "member") {
    return { ...shown, tone: "plain", icon: "badge", word: say("member") };
  }
  if (action === "lent") {
    return { ...shown, tone: "good", icon: "check_circle", word: say("lent") };
  }
  if (STEPS[next?.action]) {
    const [icon, word] = STEPS[next.action](next);
    return { ...shown, tone: "look", icon, word };
  }
  if (action === "returned") {
    return { ...shown, tone: "good", icon: "assignment_return", word: say("returned") };
  }
  if (loan && !loan.returned_at) {
    return { ...shown, tone: "look", icon: "person_check", word: say("already"), barcode: copy.barcode };
  }
  const isShelved = next?.action === "shelve";
  return { ...shown, tone: "look", icon: isShelved ? "shelves" : "info", word: say(isShelved ? "shelve" : "look") };
}

function refusal(status, error) {
  if (status >= 500 || !error.message) {
    return { tone: "bad", icon: "error", word: say("failed"), told: say("failedHint") };
  }
  const reasons = error.details?.refusals ?? [];
  const word = say(status === 404 ? "unknown" : "refused");
  const may = reasons.length > 0 && reasons.every((reason) => reason.overridable);
  return {
    tone: "bad",
    icon: status === 404 ? "help" : "block",
    word,
    told: reasons.length > 1 ? "" : error.message,
    reasons: reasons.length > 1 ? reasons.map((reason) => reason.message) : [],
    override: may ? reasons.map((reason) => reason.code) : [],
    isRule: reasons.length > 0,
  };
}

export const waiting = () => ({ tone: "plain", icon: "hourglass_empty", word: "…", told: say("waiting") });
export const queued = () => ({ tone: "wait", icon: "cloud_off", word: say("queued"), told: say("queuedHint") });
export const ended = (told) => ({ tone: "plain", icon: "logout", word: say("ended"), told });
