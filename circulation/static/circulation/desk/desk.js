/* The desk: whose turn it is, what was scanned, and what became of it. */

import { listen } from "./keys.js";
import { Outbox } from "./outbox.js";
import * as outcomes from "./outcomes.js";
import { Service, Unanswered, newKey } from "./service.js";
import * as sound from "./sound.js";
import * as store from "./store.js";
import { say, settings } from "./texts.js";
import * as view from "./view.js";

const MOST_ROWS = 100;
const CIRCULATION = "/api/circulation/";
const TRIES = 3; // of what is asked at once and waits for nothing

class Desk {
  rows = [];
  member = null;
  asks = false;
  #turn = 0;
  #isFresh = true; // nobody's card was read since the last turn ended
  #touched = Date.now();
  #was = "online";
  #shown = {};

  constructor() {
    this.service = new Service(settings.csrfCookie);
    this.outbox = new Outbox(this.service, {
      answered: (scan, answer) => this.#answered(scan, answer),
      ended: (scan) => this.#endedByCard(scan),
      changed: () => this.#draw(),
    });
    for (const { scan, answer } of store.refused()) {
      this.#add(scan, { ...outcomes.outcomeOf(answer), isKept: true });
    }
    for (const scan of store.scans()) {
      this.#add(scan, outcomes.queued(), { waits: true });
    }
    setInterval(() => this.#tick(), 1000);
    this.outbox.drain();
    this.#draw();
  }

  // --- Scans -----------------------------------------------------------------------------------------------

  /** What was scanned or typed. `more` makes it a scan beside the turn: for a card of its own, with an override. */
  scan(text, more = {}) {
    const code = text.trim();
    this.#stay();
    if (!code) {
      return;
    }
    const isKnown = !this.outbox.waitsHere;
    if (this.member && isKnown && !more.aside && code === this.member.card_number) {
      this.endTurn("endedByCard");
      return;
    }
    const card = this.#isFresh ? null : isKnown ? (this.member?.card_number ?? null) : undefined;
    this.#isFresh = this.#isFresh && Boolean(more.aside);
    this.#dropForm();
    const scan = this.outbox.add({ code, card, branch: store.setting("branch"), by: settings.librarian, ...more });
    const outcome = this.outbox.state === "online" ? outcomes.waiting() : outcomes.queued();
    this.#add(scan, outcome, { waits: true, turn: this.#turn });
    this.#draw();
  }

  #answered(scan, answer) {
    const row = this.rows.find((one) => one.scan.id === scan.id) ?? this.#add(scan, outcomes.waiting());
    const outcome = outcomes.outcomeOf(answer);
    const isKept = scan.late && answer.status >= 300;
    this.#change(row, { scan, outcome: { ...outcome, isKept }, waits: false, since: Date.now() });
    sound.play(outcome.tone);
    const { action, member } = answer.body?.data ?? {};
    if (answer.status >= 300) {
      return;
    }
    const isTheirs = action === "member" || (member && member.card_number === this.member?.card_number);
    if (isTheirs && row.turn === this.#turn) {
      this.#seat(member);
    } else if (action === "lent" && this.member?.card_number === scan.card) {
      const left = this.member.to_collect.filter((held) => held.copy_barcode !== scan.code);
      this.#seat({ ...this.member, open_loans: this.member.open_loans + 1, to_collect: left });
    }
  }

  #add(scan, outcome, more = {}) {
    const row = { scan, outcome, since: Date.parse(scan.at), version: newKey(), ...more };
    const inOrder = [row, ...this.rows].sort((one, other) => other.scan.at.localeCompare(one.scan.at));
    this.rows = inOrder.filter((one, place) => place < MOST_ROWS || one.waits || one.outcome.isKept);
    return row;
  }

  #change(row, change) {
    Object.assign(row, change, { version: newKey(), form: null, note: "", ...change });
    this.#draw();
  }

  // --- Whose turn it is ------------------------------------------------------------------------------------

  endTurn(why = "") {
    const wasOpen = this.member !== null || !this.#isFresh;
    this.#turn += 1;
    this.#isFresh = true;
    this.#seat(null);
    if (wasOpen && why) {
      this.#tell("logout", "ended", say(why));
    }
  }

  #endedByCard(scan) {
    const row = this.rows.find((one) => one.scan.id === scan.id);
    if (row) {
      this.#change(row, { outcome: outcomes.ended(say("endedByCard")), waits: false });
    }
    if (row?.turn === this.#turn) {
      this.#seat(null);
    }
  }

  #seat(member) {
    this.member = member;
    this.#stay();
    this.#draw();
  }

  #stay() {
    this.#touched = Date.now();
    this.asks = false;
  }

  #tick() {
    const idle = (Date.now() - this.#touched) / 1000;
    const isOpen = this.member !== null || !this.#isFresh;
    if (isOpen && idle >= settings.endAfter) {
      this.endTurn("endedByItself");
    } else if (this.member && idle >= settings.askAfter && !this.asks) {
      this.asks = true;
      sound.play("look");
    }
    this.#draw();
  }

  lendHeld(held) {
    this.scan(held.copy_barcode);
  }

  lendNth(number) {
    const held = this.member?.to_collect[number - 1];
    if (held) {
      this.lendHeld(held);
    }
  }

  // --- What can be done with a row -------------------------------------------------------------------------

  /** The newest loan or return that can still be undone. */
  get undoable() {
    return this.rows.find((row) => this.#isUndoable(row)) ?? null;
  }

  #isUndoable(row) {
    return Boolean(row.outcome.undo) && Date.now() - row.since < settings.undoWithin * 1000;
  }

  async undo(row = this.undoable) {
    if (!row) {
      if (this.rows[0]) {
        this.#change(this.rows[0], { note: say("nothingToUndo") });
      }
      return;
    }
    const answer = await this.#ask(row, "undo/", { event_id: row.outcome.undo });
    if (answer?.status < 300) {
      const { undone } = answer.body.data;
      this.#change(row, { outcome: { ...row.outcome, undo: null } });
      const change = undone === "checkout" ? -1 : 0;
      if (this.member?.card_number === row.scan.card) {
        this.#seat({ ...this.member, open_loans: this.member.open_loans + change });
      }
      this.#tell("undo", "undone", answer.body.message, row.scan.code);
    }
  }

  async renew(row = this.rows[0]) {
    if (!row?.outcome.barcode) {
      return;
    }
    const answer = await this.#ask(row, "renew/", { barcode: row.outcome.barcode });
    if (answer?.status < 300) {
      this.#change(row, { outcome: { ...row.outcome, barcode: null } });
      this.#tell("autorenew", "renewed", answer.body.message, row.scan.code);
    }
  }

  takeBack(row = this.rows[0]) {
    if (row?.outcome.barcode) {
      const code = row.outcome.barcode;
      this.#change(row, { outcome: { ...row.outcome, barcode: null } });
      this.scan(code, { card: null, aside: true });
    }
  }

  override(row, reason) {
    const override = row.outcome.override;
    this.#seen(row);
    this.#change(row, { outcome: { ...row.outcome, override: [] } });
    this.scan(row.scan.code, { card: row.scan.card ?? null, aside: true, override, reason });
  }

  #seen(row) {
    store.tickOff(row.scan);
    this.#change(row, { outcome: { ...row.outcome, isKept: false } });
  }

  /** Ask the service now, under one key however often it must be asked. Null without an answer, which the row says. */
  async #ask(row, path, body) {
    row.keys ??= {};
    row.keys[path] ??= newKey();
    this.#stay();
    for (let tried = 1; tried <= TRIES; tried += 1) {
      try {
        const answer = await this.service.post(CIRCULATION + path, JSON.stringify(body), row.keys[path]);
        if (answer.status >= 300) {
          delete row.keys[path];
          const { told, reasons } = outcomes.outcomeOf(answer);
          this.#change(row, { note: told || reasons.join(" ") });
          sound.play("bad");
        }
        return answer;
      } catch (error) {
        if (!(error instanceof Unanswered)) {
          throw error;
        }
        if (error.why !== "busy" && tried > 1) {
          break;
        }
      }
    }
    this.#change(row, { note: say("notReached") });
    return null;
  }

  /** Something that happened without a scan. */
  #tell(icon, word, told, code = "") {
    const scan = { id: newKey(), code, at: new Date().toISOString(), by: settings.librarian };
    this.#add(scan, { tone: "plain", icon, word: say(word), told });
    this.#draw();
  }

  /** Esc: leave a refusal as it is, else end the turn. */
  escape() {
    if (this.rows[0]?.form) {
      this.#dropForm();
    } else {
      this.endTurn();
    }
  }

  #dropForm() {
    const [row] = this.rows;
    if (row?.form) {
      this.#change(row, { form: null, isDropped: true });
      view.by("desk-code").focus();
    }
  }

  /** Bring a refused row to the top, where it asks for a reason. */
  #reopen(row) {
    this.rows = [row, ...this.rows.filter((other) => other !== row)];
    this.#change(row, { isDropped: false });
    row.form?.elements.reason.focus();
  }

  #offers(row, isNewest) {
    const { outcome } = row;
    const offers = [];
    if (row.note) {
      offers.push(view.el("p", { class: "desk-warning", role: "alert" }, row.note));
    }
    if (outcome.barcode) {
      offers.push(view.button(say("renew"), () => this.renew(row), isNewest ? { keys: "Alt R" } : {}));
      offers.push(view.button(say("takeBack"), () => this.takeBack(row), isNewest ? { keys: "Alt T" } : {}));
    }
    if (outcome.override?.length && isNewest && !row.isDropped) {
      row.form ??= view.overrideForm((reason) => this.override(row, reason), () => this.#dropForm());
      offers.push(row.form);
    } else if (outcome.override?.length) {
      offers.push(view.button(say("override"), () => this.#reopen(row), { class: "desk-button desk-quiet" }));
    } else if (outcome.isRule && isNewest) {
      offers.push(view.el("p", {}, say("notOverridable")));
    }
    if (this.#isUndoable(row)) {
      const more = row === this.undoable ? { keys: "Ctrl Z" } : {};
      offers.push(view.button(say("undo"), () => this.undo(row), { ...more, class: "desk-button desk-quiet" }));
    }
    if (outcome.isKept) {
      offers.push(view.button(say("seen"), () => this.#seen(row), { class: "desk-button desk-quiet" }));
    }
    return offers;
  }

  // --- Drawing ---------------------------------------------------------------------------------------------

  #draw() {
    this.#forget();
    const [newest, ...before] = this.rows;
    const offers = (row, isNewest) => this.#offers(row, isNewest);
    const undo = this.undoable?.scan.id;
    this.#once("newest", [newest?.version, newest === this.undoable], () => {
      view.drawNewest(newest, offers);
      if (newest?.form && !view.by("desk-code").value) {
        newest.form.elements.reason.focus();
      }
    });
    this.#once("rows", [before.map((row) => [row.version, this.#isUndoable(row)]), undo], () => view.drawRows(before, offers));
    const isUnknown = !this.member && !this.#isFresh && this.outbox.waitsHere && this.outbox.state !== "online";
    this.#once("member", [this.member, this.asks, isUnknown], () =>
      view.drawMember(this.member, {
        isUnknown,
        asks: this.asks,
        onEnd: () => this.endTurn(),
        onStay: () => this.scan(""),
        onLend: (held) => this.lendHeld(held),
      }),
    );
    this.#drawBanner();
  }

  #once(part, state, draw) {
    const text = JSON.stringify(state);
    if (this.#shown[part] !== text) {
      this.#shown[part] = text;
      draw();
      if (document.activeElement === document.body) {
        view.by("desk-code").focus();
      }
    }
  }

  #drawBanner() {
    const { state, waiting } = this.outbox;
    if (state !== this.#was) {
      this.#was = state;
      this.cameBack = state === "online" ? Date.now() : 0;
      for (const row of this.rows.filter((one) => one.waits && state !== "online")) {
        Object.assign(row, { outcome: outcomes.queued(), version: newKey() });
      }
      this.#draw();
      return;
    }
    const isBack = Date.now() - (this.cameBack || 0) < 8000;
    const online = waiting && isBack ? "sending" : isBack ? "back" : store.lasts ? null : "unsafe";
    view.drawBanner(state === "online" ? online : state, waiting, state === "signedOut");
  }

  /** Rows of other tabs that were sent by those. */
  #forget() {
    const kept = new Set(store.scans().map((scan) => scan.id));
    this.rows = this.rows.filter((row) => !row.waits || row.scan.tab === this.outbox.tab || kept.has(row.scan.id));
  }
}

listen(new Desk());
