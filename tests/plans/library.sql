-- A big library, the same every time: 100,000 titles, 250,000 copies, 20,000 members, 60,000 open and 200,000 closed
-- loans, 30,000 reservations (10,000 of them in one line), 400,000 events.
--
-- As in life the catalogue was imported first, what is open lies at the end of the history, and the last thing
-- that happened is another import.

CREATE TEMPORARY TABLE words AS
SELECT array_agg(substr(md5(n::text), 1, 3 + n % 6) ORDER BY n) AS word FROM generate_series(0, 4999) n;

INSERT INTO library_branch (id, name, time_zone)
SELECT n + 100, 'Branch ' || n, 'UTC' FROM generate_series(1, 9) n;

INSERT INTO library_member
    (id, card_number, first_name, last_name, email, category_id, branch_id, expires_on, blocked_reason, source, source_id)
SELECT n, 'C' || lpad(n::text, 8, '0'), initcap(word[1 + n % 700]), initcap(word[1 + n * 7 % 3000]),
       'member' || n || '@Example.org', category.id, branch.id,
       CASE WHEN n % 50 = 0 THEN date '2026-01-01' END, CASE WHEN n % 97 = 0 THEN 'lost a card' ELSE '' END, '', ''
FROM generate_series(1, 20000) n, words,
     (SELECT id FROM library_membercategory) category, (SELECT min(id) AS id FROM library_branch) branch;

-- A third of the titles come without an author, as from a plain list; 5 are in Latin; 40 were withdrawn.
INSERT INTO library_book
    (id, title, authors, isbn, publisher, category, language, published_year, source, source_id, in_circulation,
     withdrawn_at)
SELECT n,
       initcap(word[1 + n * 13 % 4000]) || ' and the ' || word[1 + n * 29 % 4993] || ' ' || word[1 + n / 23],
       CASE WHEN n % 3 > 0 THEN initcap(word[1 + n * 11 % 4999]) || ' ' || initcap(word[1 + n * 17 % 997]) ELSE '' END,
       CASE WHEN n % 4 > 0 THEN (9780000000000 + n)::text ELSE '' END,
       'Publisher ' || n % 400, 'Category ' || n % 12,
       CASE WHEN n % 20000 = 7 THEN 'lat' WHEN n % 5 = 0 THEN 'ger' ELSE 'eng' END,
       CASE WHEN n % 10 > 0 THEN CASE WHEN n % 25000 = 11 THEN 1482 ELSE 1925 + n % 101 END END,
       'old system', n::text, n % 2500 > 0, CASE WHEN n % 2500 = 0 THEN timestamptz '2026-01-05' END
FROM generate_series(1, 100000) n, words;

-- Titles 1 to 1000 have a line, and nothing free. Of the others every second one has its first copy on loan, and of
-- every tenth all copies are.
INSERT INTO library_copy (id, book_id, barcode, branch_id, status, holder_id, due_at)
SELECT (book - 1) * 5 / 2 + number, book, book || '-' || number,
       CASE WHEN book % 5000 = 9 THEN 109 WHEN number = 1 THEN main.id ELSE 101 + book % 8 END,
       CASE WHEN book % 2500 = 0 THEN 'withdrawn' WHEN lent THEN 'on_loan' ELSE 'available' END,
       CASE WHEN lent THEN (book * 3 + number * 6661) % 20000 + 1 END,
       CASE WHEN lent THEN timestamptz '2026-02-16' + book % 40 * interval '1 day' END
FROM generate_series(1, 100000) book,
     generate_series(1, 2 + (book + 1) % 2) number,
     LATERAL (SELECT book % 2500 > 0 AND (book <= 1000 OR book % 10 = 3 OR number = 1 AND book % 10 IN (1, 5, 7)) AS lent),
     (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO circulation_loan (id, book_id, copy_id, member_id, lent_at, due_at, returned_at, renewals)
SELECT n, c.book_id, c.id, n * 13 % 20000 + 1, lent_at, lent_at + interval '28 days', lent_at + interval '20 days', 0
FROM generate_series(1, 200000) n,
     LATERAL (SELECT timestamptz '2024-01-10' + n * interval '5 minutes' AS lent_at),
     LATERAL (SELECT n * 37 % 100000 + 1 AS book)
     JOIN library_copy c ON c.id = (book - 1) * 5 / 2 + 1;

INSERT INTO circulation_loan (id, book_id, copy_id, member_id, lent_at, due_at, renewals)
SELECT 200000 + row_number() OVER (ORDER BY due_at, id), book_id, id, holder_id, due_at - interval '28 days', due_at, 0
FROM library_copy WHERE status = 'on_loan';

-- 10,000 that have ended, then 10,000 in the line for title 1, then ten for each of titles 2 to 1000. The first in
-- each line of ten has a copy on the hold shelf for titles 501 to 1000; one of each line is of use until a date only.
INSERT INTO reservations_reservation (id, book_id, member_id, status, placed_at, priority, branch_id, closed_at)
SELECT n, n * 7 % 100000 + 1, n * 3 % 20000 + 1,
       CASE WHEN n % 100 = 0 THEN 'expired' WHEN n % 4 = 0 THEN 'cancelled' ELSE 'fulfilled' END,
       timestamptz '2024-01-10' + n * interval '1 hour', 0, main.id, timestamptz '2024-02-10' + n * interval '1 hour'
FROM generate_series(1, 10000) n, (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO reservations_reservation (id, book_id, member_id, status, placed_at, priority, needed_by, branch_id)
SELECT 10000 + n, CASE WHEN n <= 10000 THEN 1 ELSE 2 + (n - 10001) / 10 END,
       CASE WHEN n <= 10000 THEN n ELSE 10001 + n * 7 % 9973 END,
       CASE WHEN n % 20 = 7 THEN 'suspended' ELSE 'waiting' END,
       timestamptz '2025-12-01' + n * interval '1 minute', CASE WHEN n % 1000 = 0 THEN -1 ELSE 0 END,
       CASE WHEN n % 10 = 4 THEN timestamptz '2026-02-20' + n % 50 * interval '1 day' END, main.id
FROM generate_series(1, 19990) n, (SELECT min(id) AS id FROM library_branch) main;

WITH first AS (
    SELECT DISTINCT ON (book_id) id, book_id, member_id FROM reservations_reservation
    WHERE status = 'waiting' AND book_id BETWEEN 501 AND 1000 ORDER BY book_id, priority, placed_at, id
), returned AS (
    UPDATE library_copy c SET status = 'on_hold_shelf', holder_id = first.member_id, due_at = NULL
    FROM first WHERE c.id = (first.book_id - 1) * 5 / 2 + 2
    RETURNING c.id, c.book_id
), closed AS (
    UPDATE circulation_loan l SET returned_at = timestamptz '2026-02-28' FROM returned
    WHERE l.copy_id = returned.id AND l.returned_at IS NULL
)
UPDATE reservations_reservation r
SET status = 'ready', copy_id = returned.id, shelf_until = timestamptz '2026-02-26' + r.book_id % 10 * interval '1 day'
FROM first JOIN returned USING (book_id) WHERE r.id = first.id;

INSERT INTO events_event (id, kind, book_id, copy_id, member_id, loan_id, payload, occurred_at)
SELECT n, 'book.added', n, NULL, NULL, NULL, '{}', timestamptz '2024-01-02' + n * interval '1 second'
FROM generate_series(1, 100000) n
UNION ALL
SELECT 100000 + n, 'copy.added', n * 2, n * 5, NULL, NULL, '{}', timestamptz '2024-01-04' + n * interval '1 second'
FROM generate_series(1, 50000) n
UNION ALL
SELECT 150000 + row_number() OVER (ORDER BY at, id), kind, book_id, copy_id, member_id, id, '{}', at
FROM (
    SELECT 'checkout' AS kind, lent_at AS at, * FROM circulation_loan WHERE id % 2 = 0
    UNION ALL
    SELECT CASE WHEN id % 50000 = 10 THEN 'lost' ELSE 'return' END, returned_at, * FROM circulation_loan
    WHERE returned_at IS NOT NULL AND id % 2 = 0
)
UNION ALL
SELECT 380500 + n, 'book.edited', n, NULL, NULL, NULL, '{}', timestamptz '2026-03-01' + n * interval '1 second'
FROM generate_series(1, 19500) n;
