/* Keys, the focus and the switches of the desk. A scanner is a keyboard that ends with Enter. */

import * as sound from "./sound.js";
import * as store from "./store.js";
import { say } from "./texts.js";
import { by } from "./view.js";

const FIELDS = "input, select, textarea, [contenteditable]";
const KEEPS_FOCUS = `${FIELDS}, a, dialog, label, summary, nav button, [x-on\\:click], [x-data] [role]`;
const A_SCANNERS = 25; // milliseconds a character at most; nobody types that fast
const NO_WORD = 3; // characters at least

export function listen(desk) {
  const code = by("desk-code");
  const help = by("desk-help");
  const focus = () => code.focus({ preventScroll: true });

  by("desk-scan").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = code.value;
    code.value = "";
    desk.scan(text);
  });
  document.addEventListener("keydown", (event) => pressed(event, { desk, code, help, focus }));
  document.addEventListener("click", (event) => {
    if (!help.open && !inReason() && !event.target.closest(KEEPS_FOCUS)) {
      focus();
    }
  });
  window.addEventListener("focus", () => document.activeElement === document.body && focus());
  help.addEventListener("close", focus);
  by("desk-help-open").addEventListener("click", () => help.showModal());
  readAsScan(desk);
  chooseBranch(focus);
  switchSound(desk);
  comeBack(desk);
  focus();
}

function pressed(event, { desk, code, help, focus }) {
  const { key, ctrlKey, metaKey, altKey } = event;
  const field = document.activeElement?.matches(FIELDS) ? document.activeElement : null;
  const isFree = field === null || (field === code && code.value === "");
  if (help.open || event.defaultPrevented || event.isComposing) {
    return;
  }
  const does = (action) => {
    event.preventDefault();
    action();
  };
  if (key === "Escape" && (field === null || field.closest(".desk"))) {
    does(() => (field === code && code.value ? (code.value = "") : desk.escape()));
  } else if ((ctrlKey || metaKey) && !event.shiftKey && key.toLowerCase() === "z" && isFree) {
    does(() => desk.undo());
  } else if (altKey && !ctrlKey && !metaKey && byAlt(desk)[event.code]) {
    does(byAlt(desk)[event.code]);
  } else if (key === "?" && isFree) {
    does(() => help.showModal());
  } else if (key.length === 1 && key !== " " && !ctrlKey && !metaKey && !altKey && field === null) {
    focus(); // and the character goes there
  }
}

function byAlt(desk) {
  const digits = Array.from({ length: 9 }, (_, at) => [`Digit${at + 1}`, () => desk.lendNth(at + 1)]);
  return {
    ...Object.fromEntries(digits),
    KeyR: () => desk.renew(),
    KeyT: () => desk.takeBack(),
    KeyB: () => by("desk-branch").focus(),
    KeyS: () => by("desk-sound").click(),
    KeyO: () => document.querySelector(".desk-override input")?.focus(),
  };
}

const inReason = () => document.activeElement?.closest(".desk-override");

/** A scanner that reads on while a reason is asked means the next copy, and gives no reason. */
function readAsScan(desk) {
  let began = 0;
  document.addEventListener(
    "keydown",
    (event) => {
      const input = event.target.closest?.(".desk-override input");
      if (!input) {
        return;
      }
      if (input.value === "" && event.key.length === 1) {
        began = event.timeStamp;
      }
      const length = input.value.length;
      if (event.key === "Enter" && length >= NO_WORD && event.timeStamp - began < length * A_SCANNERS) {
        event.preventDefault();
        desk.scan(input.value);
      }
    },
    true,
  );
}

function chooseBranch(focus) {
  const select = by("desk-branch");
  const known = [...select.options].some((option) => option.value === store.setting("branch"));
  if (!known) {
    store.keepSetting("branch", "");
  }
  select.value = store.setting("branch");
  select.addEventListener("change", () => store.keepSetting("branch", select.value));
  select.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      focus();
    }
  });
}

function switchSound() {
  const button = by("desk-sound");
  const draw = () => {
    const isOn = sound.isOn();
    button.setAttribute("aria-pressed", String(isOn));
    button.querySelector(".material-symbols-outlined").textContent = isOn ? "volume_up" : "volume_off";
    button.lastElementChild.textContent = say(isOn ? "soundOn" : "soundOff");
  };
  button.addEventListener("click", () => {
    sound.toggle();
    draw();
  });
  draw();
}

/** Nothing waits longer than it must, and nobody leaves the page by accident while scans wait. */
function comeBack({ outbox }) {
  const hurry = () => outbox.hurry();
  window.addEventListener("online", hurry);
  window.addEventListener("focus", hurry);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
  window.addEventListener("beforeunload", (event) => {
    if (outbox.state === "away" && outbox.waiting) {
      event.preventDefault();
    }
  });
}
