/* What the browser keeps until it was answered. Each scan has a key of its own there, so that tabs do not collide. */

const SCAN = "circdesk.scan.";
const BATCH = "circdesk.batch.";
const REFUSED = "circdesk.refused.";

let last = 0;
const rows = browserStore() ?? new Map();
/** Whether what is kept outlives the page. */
export const lasts = !(rows instanceof Map);

function browserStore() {
  try {
    localStorage.setItem("circdesk.try", "");
    localStorage.removeItem("circdesk.try");
    return {
      keys: () => Object.keys(localStorage),
      get: (name) => localStorage.getItem(name),
      set: (name, text) => localStorage.setItem(name, text),
      delete: (name) => localStorage.removeItem(name),
    };
  } catch {
    return null; // switched off by whoever set the browser up
  }
}

function all(prefix) {
  const names = [...rows.keys()].filter((name) => name.startsWith(prefix));
  return names.sort().map((name) => ({ name, ...JSON.parse(rows.get(name)) }));
}

export function setting(name) {
  return rows.get(`circdesk.${name}`) ?? "";
}

export function keepSetting(name, value) {
  rows.set(`circdesk.${name}`, value);
}

function write(name, row) {
  const { name: _, ...kept } = row;
  rows.set(name, JSON.stringify(kept));
}

/** Scans in the order in which they were made, of one tab or of all. */
export function scans(tab) {
  return all(SCAN).filter((scan) => tab === undefined || scan.tab === tab);
}

export function addScan(scan) {
  last = Math.max(last + 1, Date.now());
  const name = `${SCAN}${String(last).padStart(15, "0")}.${scan.id}`;
  write(name, scan);
  return { name, ...scan };
}

export function keepScan(scan) {
  write(scan.name, scan);
}

export function removeScan(scan) {
  rows.delete(scan.name);
}

/** The batch that a tab's scans were sent in and that was not answered yet. */
export function batchOf(tab) {
  return all(BATCH + tab)[0] ?? null;
}

export function keepBatch(tab, batch) {
  write(BATCH + tab, batch);
}

export function removeBatch(tab) {
  rows.delete(BATCH + tab);
}

/** What was refused after it had waited, until somebody has seen it. */
export function refused() {
  return all(REFUSED);
}

export function keepRefused(scan, answer) {
  write(REFUSED + scan.at + scan.id, { scan, answer });
}

export function tickOff(scan) {
  rows.delete(REFUSED + scan.at + scan.id);
}
