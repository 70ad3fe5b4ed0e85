/* What stands on the page. It is drawn from what the desk knows, and knows nothing itself. */

import { clock, say, settings } from "./texts.js";

export const by = (id) => document.getElementById(id);

/** An element with attributes and children; listeners as `onclick`. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      made.addEventListener(name.slice(2), value);
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function icon(name) {
  return el("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, name);
}

export function button(text, press, more = {}) {
  const { keys, ...rest } = more;
  const children = keys ? [text, " ", el("kbd", { "aria-hidden": "true" }, keys)] : [text];
  const shortcut = keys ? keys.replaceAll(" ", "+") : null;
  return el("button", { type: "button", class: "desk-button", "aria-keyshortcuts": shortcut, onclick: press, ...rest }, children);
}

function result({ outcome, scan }, heading) {
  const of = scan.by !== settings.librarian ? "scannedBy" : "scannedAt";
  return [
    el(heading, { class: "desk-word" }, icon(outcome.icon), el("span", {}, outcome.word)),
    el("p", { class: "desk-told" }, outcome.told),
    outcome.reasons?.length ? el("ul", { class: "desk-reasons" }, outcome.reasons.map((reason) => el("li", {}, reason))) : null,
    outcome.title ? el("p", { class: "desk-title" }, outcome.title) : null,
    scan.code ? el("p", { class: "desk-made" }, el("code", {}, scan.code), " ", say(of, { name: scan.by, time: clock(scan.at) })) : null,
  ];
}

export function drawNewest(row, offers) {
  const place = by("desk-newest");
  place.dataset.tone = row?.outcome.tone ?? "";
  place.replaceChildren(...(row ? result(row, "h2").filter(Boolean) : []));
  by("desk-offers").replaceChildren(...(row ? offers(row, true) : []));
}

/** The rows before the newest one. */
export function drawRows(rows, offers) {
  by("desk-before").hidden = rows.length === 0;
  by("desk-rows").replaceChildren(
    ...rows.map((row) =>
      el("li", { "data-tone": row.outcome.tone, "data-scan": row.scan.id }, result(row, "h3").filter(Boolean), el("div", { class: "desk-row-offers" }, offers(row, false))),
    ),
  );
}

export function drawMember(member, { isUnknown, asks, onEnd, onStay, onLend }) {
  const place = by("desk-member");
  place.dataset.state = member ? "member" : "nobody";
  if (!member) {
    const hint = say(isUnknown ? "turnUnknown" : "nobodyHint");
    place.replaceChildren(el("h2", {}, icon("person_off"), say("nobody")), el("p", {}, hint));
    return;
  }
  const waits = member.to_collect.map((held, index) => {
    const keys = index < 9 ? `Alt ${index + 1}` : null;
    const lend = button(say("lend"), () => onLend(held), { keys, "aria-label": `${say("lend")}: ${held.title}` });
    return el("li", {}, el("span", {}, held.title, " ", el("code", {}, held.copy_barcode)), lend);
  });
  const warn = (text) => el("p", { class: "desk-warning" }, icon("warning"), text);
  const number = (name, value, isBad) => el("div", { class: isBad && "desk-bad" }, el("dt", {}, say(name)), el("dd", {}, String(value)));
  place.replaceChildren(
    ...[
      asks ? question(member, onStay, onEnd) : null,
      el("h2", {}, icon("person"), member.name),
      el("p", {}, say("cardNumber", { number: member.card_number })),
      member.blocked_reason ? warn(say("blocked", { reason: member.blocked_reason })) : null,
      member.is_expired ? warn(say("expired", { date: member.expires_on })) : null,
      el("dl", { class: "desk-numbers" }, [
        number("openLoans", member.max_loans ? `${member.open_loans} / ${member.max_loans}` : member.open_loans),
        number("overdue", member.overdue, member.overdue > 0),
        number("toCollect", member.to_collect.length),
      ]),
      waits.length ? el("ul", { class: "desk-waits", "aria-label": say("toCollect") }, waits) : null,
      button(say("end"), onEnd, { keys: "Esc", class: "desk-button desk-quiet" }),
    ].filter(Boolean),
  );
}

function question(member, onStay, onEnd) {
  return el(
    "div",
    { class: "desk-question", role: "alert" },
    el("p", {}, say("stillTheirs", { name: member.name })),
    button(say("yes"), onStay, { keys: "Enter" }),
    button(say("end"), onEnd, { keys: "Esc", class: "desk-button desk-quiet" }),
  );
}

export function drawBanner(name, count, isSignedOut) {
  by("desk-banner").hidden = !name;
  by("desk-banner").dataset.state = name ?? "";
  const told = name ? say(name, { count }) : "";
  if (by("desk-banner-text").textContent !== told) {
    by("desk-banner-text").textContent = told;
  }
  by("desk-sign-in").hidden = !isSignedOut;
}

/** A refusal that staff may set aside: a reason, then Enter. */
export function overrideForm(send, drop) {
  const input = el("input", { name: "reason", maxlength: "300", required: true, autocomplete: "off", "aria-label": say("reason"), placeholder: say("reason") });
  const error = el("p", { class: "desk-warning", role: "alert", hidden: true }, say("reasonNeeded"));
  const submit = (event) => {
    event.preventDefault();
    const reason = input.value.trim();
    error.hidden = reason !== "";
    if (reason) {
      send(reason);
    }
  };
  const go = el("button", { class: "desk-button" }, say("override"), " ", el("kbd", { "aria-hidden": "true" }, "Enter"));
  const form = el("form", { class: "desk-override", novalidate: true, onsubmit: submit }, input, go, button(say("drop"), drop, { keys: "Esc", class: "desk-button desk-quiet" }), error);
  return form;
}
