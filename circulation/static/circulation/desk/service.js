/* The service, as the desk asks it: what was answered, or why nothing was. */

const PATIENCE = 10_000; // milliseconds
const NO_ANSWER = [408, 429, 502, 503, 504];

/** Nothing was answered: `why` is "away", "busy" or "signedOut". It may have been done all the same. */
export class Unanswered extends Error {
  constructor(why, wait = 1) {
    super(why);
    this.why = why;
    this.wait = wait;
  }
}

export class Service {
  constructor(csrfCookie) {
    this.csrfCookie = csrfCookie;
  }

  /** `{status, body}` of what was answered for good. Raises Unanswered. */
  async post(path, text, key) {
    let response;
    let body;
    try {
      response = await fetch(path, {
        method: "POST",
        body: text,
        headers: { "Content-Type": "application/json", "Idempotency-Key": key, "X-CSRFToken": this.#token() },
        credentials: "same-origin",
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE),
      });
      body = await response.json();
    } catch {
      throw new Unanswered("away");
    }
    if (response.status === 401 || response.status === 403) {
      throw new Unanswered("signedOut");
    }
    if (NO_ANSWER.includes(response.status)) {
      const busy = response.status === 429 || body?.error?.code === "BUSY";
      throw new Unanswered(busy ? "busy" : "away", Number(response.headers.get("Retry-After")) || 1);
    }
    return { status: response.status, body };
  }

  async isReady() {
    try {
      const options = { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE) };
      return (await fetch("/health/ready", options)).ok;
    } catch {
      return false;
    }
  }

  /** Read each time: it is another one after signing in again. */
  #token() {
    const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${this.csrfCookie}=`));
    return found ? decodeURIComponent(found.slice(this.csrfCookie.length + 1)) : "";
  }
}

/** Also where the page did not come over HTTPS, and browsers have no randomUUID. */
export function newKey() {
  if (crypto.randomUUID) {
    return crypto.randomUUID();
  }
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
