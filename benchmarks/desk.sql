-- The floor of the desk, for pgbench: a copy is lent, or the one that was is taken back, each in one statement that leaves
-- the rows that the service leaves. Each client has titles and members of its own, as in load.py. :books, :members, :copies
-- are given, and :lent, which is 0 at first.
\if :lent = 0
\set book 1 + :client_id + :clients * random(0, :books / :clients - 1)
\set member 1 + :client_id + :clients * random(0, :members / :clients - 1)
\set copy (:book - 1) * :copies + 1 + random(0, :copies - 1)
WITH moved AS (
    UPDATE library_copy SET status = 'on_loan', holder_id = :member, due_at = date_trunc('day', now()) + interval '28 days 23:59:59'
    WHERE id = :copy AND status = 'available'
    RETURNING id, book_id, barcode, due_at
), lent AS (
    INSERT INTO circulation_loan (book_id, copy_id, member_id, lent_at, due_at, renewals)
    SELECT book_id, id, :member, now(), due_at, 0 FROM moved
    RETURNING id
)
INSERT INTO events_event (kind, book_id, copy_id, member_id, loan_id, payload, occurred_at)
SELECT 'checkout', moved.book_id, moved.id, :member, lent.id,
       jsonb_build_object('barcode', barcode, 'due_at', due_at, 'open', 0, 'limit', 5), now()
FROM moved, lent;
\set lent 1
\else
WITH moved AS (
    UPDATE library_copy SET status = 'available', holder_id = NULL, due_at = NULL
    WHERE id = :copy AND status = 'on_loan'
    RETURNING id, book_id, barcode
), closed AS (
    UPDATE circulation_loan SET returned_at = now() WHERE copy_id = :copy AND returned_at IS NULL
    RETURNING id, member_id, due_at
)
INSERT INTO events_event (kind, book_id, copy_id, member_id, loan_id, payload, occurred_at)
SELECT 'return', moved.book_id, moved.id, closed.member_id, closed.id,
       jsonb_build_object('barcode', barcode, 'overdue', due_at < now()), now()
FROM moved, closed;
\set lent 0
\endif
