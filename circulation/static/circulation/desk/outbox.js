/* Scans on their way to the service: in order, each done once, whatever is cut off.
 *
 * A scan is kept in the browser before it is sent, with the key under which the service does it once. Its body does
 * not change after it was sent for the first time. Scans that piled up go together, as one batch with a key of its own;
 * a scan that was sent alone before goes alone again.
 *
 * `card` of a scan says whose turn it was, null for nobody's. A scan made before that was known has none: it follows the
 * scan before it.
 */

import { Unanswered, newKey } from "./service.js";
import * as store from "./store.js";

const SCAN = "/api/circulation/scan/";
const BATCH = "/api/circulation/batch/";
const MOST = 100; // operations of a batch
const SLOWEST = 30; // seconds between two looks whether the service is back
const TRIES = 3; // of a busy service, before it counts as away

/** Whose turn it is after a scan was answered. */
export function cardAfter(scan, answer) {
  const data = answer.body?.data;
  const isCard = answer.status < 300 && data?.action === "member" && !scan.aside;
  return isCard ? data.member.card_number : (scan.card ?? null);
}

export class Outbox {
  state = "online";
  #wait = 1;
  #timer = 0;
  #busy = 0;
  #draining = null;
  #again = false;

  /** `told.answered(scan, answer)`, `told.ended(scan)` and `told.changed()`. */
  constructor(service, told) {
    this.service = service;
    this.told = told;
    this.tab = newKey();
    this.others = new Set(store.scans().map((scan) => scan.tab));
    // Held as long as this page lives; without it, others send what it left.
    navigator.locks?.request(`circdesk.tab.${this.tab}`, () => new Promise(() => {}));
  }

  /** Keep a scan and send it. */
  add(scan) {
    const late = this.state !== "online";
    const kept = store.addScan({ id: newKey(), tab: this.tab, at: new Date().toISOString(), late, ...scan });
    if (this.state === "away") {
      this.#look();
    } else {
      this.drain();
    }
    this.told.changed();
    return kept;
  }

  get waiting() {
    return store.scans().length;
  }

  get waitsHere() {
    return store.scans(this.tab).length > 0;
  }

  /** Send what waits. One tab at a time does. */
  async drain() {
    this.#again = true;
    this.#draining ??= this.#inTurn();
    return this.#draining;
  }

  async #inTurn() {
    try {
      while (this.#again) {
        this.#again = false;
        await this.#once();
      }
    } finally {
      this.#draining = null;
    }
  }

  async #once() {
    const send = () => this.#sendAll();
    try {
      await (navigator.locks ? navigator.locks.request("circdesk.desk", send) : send());
      this.#busy = 0;
      this.#wait = 1;
      this.#become("online");
    } catch (error) {
      if (!(error instanceof Unanswered)) {
        throw error;
      }
      this.#later(error);
    }
  }

  async #sendAll() {
    for (const tab of [this.tab, ...(await this.#left())]) {
      while (await this.#sendNext(tab));
    }
  }

  /** Tabs that are gone, and left scans here. */
  async #left() {
    const found = new Set(store.scans().map((scan) => scan.tab));
    found.delete(this.tab);
    let left = [...found].filter((tab) => this.others.has(tab));
    if (navigator.locks) {
      const { held } = await navigator.locks.query();
      const alive = new Set(held.map((lock) => lock.name));
      left = [...found].filter((tab) => !alive.has(`circdesk.tab.${tab}`));
    }
    for (const scan of store.scans().filter((one) => left.includes(one.tab) && !one.late)) {
      store.keepScan({ ...scan, late: true });
    }
    return left;
  }

  async #sendNext(tab) {
    const batch = store.batchOf(tab);
    const waiting = store.scans(tab);
    if (batch) {
      await this.#sendBatch(tab, batch, waiting);
    } else if (waiting.length === 0) {
      return false;
    } else if (waiting[0].late && this.#together(waiting).length > 1) {
      this.#makeBatch(tab, this.#together(waiting));
    } else {
      await this.#sendOne(waiting[0]);
    }
    this.told.changed();
    return true;
  }

  /** The scans at the head that may go as one batch. */
  #together(waiting) {
    const apart = waiting.findIndex((scan) => scan.text || scan.aside || scan.card === scan.code);
    return waiting.slice(0, apart < 0 ? MOST : Math.min(apart, MOST));
  }

  async #sendOne(scan) {
    scan.card ??= null;
    if (scan.card === scan.code && !scan.aside) {
      this.#follow(scan, null);
      store.removeScan(scan);
      this.told.ended(scan);
      return;
    }
    scan.text ??= JSON.stringify({ ...asked(scan), card_number: scan.card });
    store.keepScan(scan);
    this.#settle(scan, await this.service.post(SCAN, scan.text, scan.id));
  }

  #makeBatch(tab, chosen) {
    const operations = chosen.map((scan) => ({
      op: "scan",
      ...asked(scan),
      ...(scan.card === undefined ? {} : { card_number: scan.card }),
    }));
    const text = JSON.stringify({ operations });
    store.keepBatch(tab, { key: newKey(), ids: chosen.map((scan) => scan.id), text });
  }

  async #sendBatch(tab, batch, waiting) {
    const answer = await this.service.post(BATCH, batch.text, batch.key);
    const results = answer.body?.data?.results;
    if (answer.status >= 500 && (batch.tries ?? 1) < TRIES) {
      store.keepBatch(tab, { ...batch, tries: (batch.tries ?? 1) + 1 });
      throw new Unanswered("busy"); // some of it may be done
    }
    if (answer.status !== 207 || !results) {
      store.removeBatch(tab); // as a whole it is no good, so each goes by itself
      for (const scan of waiting.filter((one) => batch.ids.includes(one.id))) {
        store.keepScan({ ...scan, late: false });
      }
      return;
    }
    if (results.some((result) => result.status === 503)) {
      throw new Unanswered("busy"); // again as it was: what is done stays done under its key
    }
    for (const [index, id] of batch.ids.entries()) {
      const scan = store.scans(tab).find((one) => one.id === id);
      if (scan) {
        this.#settle(scan, results[index]);
      }
    }
    store.removeBatch(tab);
  }

  #settle(scan, answer) {
    scan.card ??= null;
    if (scan.late && answer.status >= 300) {
      store.keepRefused(scan, answer);
    }
    this.#follow(scan, cardAfter(scan, answer));
    store.removeScan(scan);
    this.told.answered(scan, answer);
  }

  /** The scan after this one is made for whose turn it is now, unless it says for whom. */
  #follow(scan, card) {
    const next = store.scans(scan.tab).find((one) => one.name > scan.name && !one.aside);
    if (next && next.card === undefined) {
      store.keepScan({ ...next, card });
    }
  }

  #later(error) {
    this.#busy += 1;
    const isAway = error.why === "away" || (error.why === "busy" && this.#busy >= TRIES);
    this.#become(error.why === "signedOut" ? "signedOut" : isAway ? "away" : this.state);
    if (this.state !== "online") {
      for (const scan of store.scans(this.tab).filter((one) => !one.late)) {
        store.keepScan({ ...scan, late: true });
      }
    }
    clearTimeout(this.#timer);
    const wait = error.why === "busy" ? error.wait : this.#wait;
    this.#timer = setTimeout(() => this.#look(), wait * 1000);
    this.#wait = Math.min(this.#wait * 2, SLOWEST);
  }

  async #look() {
    clearTimeout(this.#timer);
    if (this.state !== "away" || (await this.service.isReady())) {
      await this.drain();
    } else {
      this.#later(new Unanswered("away"));
    }
  }

  /** Somebody came back to the page: do not wait any longer. */
  hurry() {
    if (this.state !== "online" || this.waiting) {
      this.#wait = 1;
      this.#look();
    }
  }

  #become(state) {
    this.state = state;
    this.told.changed();
  }
}

function asked(scan) {
  const more = { branch: scan.branch, override: scan.override, override_reason: scan.reason };
  return Object.fromEntries(Object.entries({ code: scan.code, ...more }).filter(([, value]) => value));
}
