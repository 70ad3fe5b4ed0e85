// The story of the last copy, told with the TypeScript client that is made of the OpenAPI document:
// node story.ts URL LIBRARIAN PASSWORD

import assert from "node:assert/strict";
import createClient, { type Client } from "openapi-fetch";
import type { paths } from "./circdesk.ts";

const [url, username, password] = process.argv.slice(2) as [string, string, string];

/** What was answered, which was neither an error nor a table. */
function the<Answer extends { data: unknown }>(answer: { data?: Answer | string; error?: unknown }): Answer["data"] {
  assert.equal(answer.error, undefined);
  assert(typeof answer.data === "object");
  return answer.data.data;
}

/** A client that says who it is. */
async function signedIn(username: string, password: string): Promise<Client<paths>> {
  const client = createClient<paths>({ baseUrl: url });
  const { access } = the(await client.POST("/api/token", { body: { username, password } }));
  return createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${access}` } });
}

/** Somebody new, signed in, and the id of their member. */
async function signedUp(username: string, name: string): Promise<[Client<paths>, number]> {
  const client = createClient<paths>({ baseUrl: url });
  const password = `${name} likes to read`;
  const person = { username, password, name, email: `${username}@example.org` };
  const { role, member } = the(await client.POST("/api/register", { body: person }));
  assert.deepEqual([role, member.name], ["member", name]);
  return [await signedIn(username, password), member.id];
}

const librarian = await signedIn(username, password);
const [ada, adaId] = await signedUp("ada", "Ada Lovelace");
const [grace, graceId] = await signedUp("grace", "Grace Hopper");

// The library buys “Middlemarch”, one copy.
const bought = { title: "Middlemarch", author: "George Eliot", isbn: "978-0-14-143954-9", copies: 1 };
const book = the(await librarian.POST("/api/books", { body: bought }));
assert("title" in book);
assert.deepEqual([book.title, book.isbn, book.available, book.total], ["Middlemarch", "9780141439549", 1, 1]);

// Ada searches for it, with a slip of the finger, and takes it. Her line drops; she asks again with the same key.
const found = the(await ada.GET("/api/books", { params: { query: { search: "midlemarch", available: true } } }));
assert.deepEqual(found, { results: [book], next: null, previous: null });
const taking = { body: { book_id: book.id } };
const withKey = { ...taking, params: { header: { "Idempotency-Key": "ada-1" } } };
const first = await ada.POST("/api/circulation/checkout", withKey);
const again = await ada.POST("/api/circulation/checkout", withKey);
const lent = the(first);
assert("loan" in lent);
assert.deepEqual([lent.outcome, lent.loan.member_id, lent.loan.overdue], ["lent", adaId, false]);
assert(Date.parse(lent.loan.due_at) > Date.parse(lent.loan.lent_at));
assert.deepEqual(the(again), lent);
const replayed = [first, again].map(({ response }) => response.headers.get("Idempotency-Replayed"));
assert.deepEqual(replayed, [null, "true"]);

// Grace comes too late, and joins the line. She is in it only once.
const queued = the(await grace.POST("/api/circulation/checkout", taking));
assert("reservation" in queued);
const { id, member_id, status, position } = queued.reservation;
assert.deepEqual([member_id, status, position], [graceId, "waiting", 1]);
const { error } = await grace.POST("/api/circulation/checkout", taking);
assert(error && "error" in error);
assert.deepEqual([error.error.code, error.error.status_code], ["RESERVATION_EXISTS", 409]);
const numbers = the(await grace.GET("/api/books/{book_id}/availability", { params: { path: { book_id: book.id } } }));
assert.deepEqual([numbers.available, numbers.on_loan, numbers.waiting], [0, 1, 1]);
assert.equal(numbers.next_due_at, lent.loan.due_at);

// Ada brings it back. The librarian is told for whom to set it aside, and lends it to her.
const barcode = lent.loan.copy_barcode;
const returned = the(await librarian.POST("/api/circulation/return", { body: { barcode } }));
assert("next" in returned);
const { loan, next } = returned;
assert.deepEqual([loan.id, typeof loan.returned_at], [lent.loan.id, "string"]);
assert.deepEqual([next.action, next.reservation?.id, next.reservation?.member_id], ["hold", id, graceId]);
const handing = { params: { path: { reservation_id: id } } };
const handed = the(await librarian.POST("/api/reservations/{reservation_id}/fulfill", handing));
assert("copy_barcode" in handed);
assert.deepEqual([handed.member_id, handed.copy_barcode], [graceId, barcode]);

// Now Grace has it, and Ada has nothing.
assert.deepEqual(the(await grace.GET("/api/me/loans")).results, [handed]);
assert.deepEqual(the(await ada.GET("/api/me/loans")).results, []);
console.log(`Grace Hopper has ${handed.title}.`);
