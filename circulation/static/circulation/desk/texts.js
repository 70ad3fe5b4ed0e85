/* What the page says, as the template translated it. */

const read = (id) => JSON.parse(document.getElementById(id).textContent);

const texts = read("desk-texts");
export const settings = read("desk-settings");

/** A sentence by its name, with what stands in it. */
export function say(name, given = {}) {
  return texts[name].replace(/%\((\w+)\)s/g, (_, key) => String(given[key] ?? ""));
}

const short = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeStyle: "short" });

export function clock(moment) {
  return short.format(new Date(moment));
}
