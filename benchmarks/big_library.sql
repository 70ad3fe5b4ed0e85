-- A big library, the same every time: 100,000 titles, 250,000 copies, 20,000 members, 60,000 open and 200,000 closed
-- loans, 120,000 reservations (10,000 of them in one line), 400,000 events.
--
-- As in life the catalogue was imported first, what is open lies at the end of the history, and the last thing
-- that happened is another import. Dates are counted from today.

CREATE FUNCTION pg_temp.word(number int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN substr(translate(md5(number::text), '0123456789', 'ghijklmnop'), 1, 3 + number % 6);

CREATE FUNCTION pg_temp.day(number int) RETURNS timestamptz LANGUAGE sql STABLE
RETURN date_trunc('day', now()) + number * interval '1 day';

-- The tables are empty, but other tests may have counted on.
SELECT setval(pg_get_serial_sequence(name, 'id'), 1, false)
FROM unnest('{circulation_loan,reservations_reservation,events_event}'::text[]) name;

INSERT INTO library_branch (id, name, time_zone, closing_times, closed_on)
SELECT n + 100, 'Branch ' || n, 'UTC', array_fill('23:59:59'::time, '{7}'), '{}' FROM generate_series(1, 9) n;

INSERT INTO library_membercategory (id, name) SELECT n + 100, 'Category ' || n FROM generate_series(1, 3) n;

-- One in 2000 is of another category and branch than the rest.
INSERT INTO library_member
    (id, card_number, first_name, last_name, email, category_id, branch_id, expires_on, blocked_reason, source, source_id)
SELECT n, 'C' || lpad(n::text, 8, '0'), initcap(pg_temp.word(n % 700)), initcap(pg_temp.word(n * 7 % 3000)),
       'member' || n || '@Example.org', CASE WHEN n % 2000 = 7 THEN 101 ELSE category.id END,
       CASE WHEN n % 2000 = 8 THEN 101 ELSE branch.id END,
       CASE WHEN n % 50 = 0 THEN current_date - 60 END, CASE WHEN n % 97 = 0 THEN 'lost a card' ELSE '' END, '', ''
FROM generate_series(1, 20000) n,
     (SELECT min(id) AS id FROM library_membercategory) category, (SELECT min(id) AS id FROM library_branch) branch;

-- A third of the titles come without an author, as from a plain list; 5 are in Latin; 40 were withdrawn.
INSERT INTO library_book
    (id, title, authors, isbn, publisher, category, language, published_year, source, source_id, in_circulation,
     withdrawn_at)
SELECT n,
       initcap(pg_temp.word(n * 13 % 4000)) || ' and the ' || pg_temp.word(n * 29 % 4993) || ' ' || pg_temp.word(n / 23),
       CASE WHEN n % 3 > 0 THEN initcap(pg_temp.word(n * 11 % 4999)) || ' ' || initcap(pg_temp.word(n * 17 % 997)) ELSE '' END,
       CASE WHEN n % 4 > 0 THEN (9780000000000 + n)::text ELSE '' END,
       'Publisher ' || n % 400, 'Category ' || n % 12,
       CASE WHEN n % 20000 = 7 THEN 'lat' WHEN n % 5 = 0 THEN 'ger' ELSE 'eng' END,
       CASE WHEN n % 7 > 0 THEN CASE WHEN n % 500 = 11 THEN 1482 ELSE 1925 + n % 101 END END,
       'old system', n::text, n % 2500 > 0, CASE WHEN n % 2500 = 0 THEN pg_temp.day(-56) END
FROM generate_series(1, 100000) n;

-- Titles 1 to 1000 have a line and nothing free: their copies are on loan, the second ones of 501 to 1000 on the hold
-- shelf. Of the others half have their first copy on loan, and one in ten all copies.
INSERT INTO library_copy (id, book_id, barcode, branch_id, status, holder_id, due_at)
SELECT (book - 1) * 5 / 2 + number, book, book || '-' || number,
       CASE WHEN book % 5000 = 9 THEN 109 WHEN number = 1 THEN main.id ELSE 101 + book % 8 END, status,
       CASE status WHEN 'on_hold_shelf' THEN 10001 + (9981 + book * 10) * 7 % 9973
                   WHEN 'on_loan' THEN (book * 3 + number * 6661) % 20000 + 1 END,
       CASE status WHEN 'on_loan' THEN pg_temp.day(-14) + book % 40 * interval '1 day' END
FROM generate_series(1, 100000) book,
     generate_series(1, 2 + (book + 1) % 2) number,
     LATERAL (
         SELECT CASE WHEN book % 2500 = 0 THEN 'withdrawn'
                     WHEN book BETWEEN 501 AND 1000 AND number = 2 THEN 'on_hold_shelf'
                     WHEN book <= 1000 OR book % 10 = 3 OR number = 1 AND book % 10 IN (1, 5, 7, 9) THEN 'on_loan'
                     ELSE 'available' END AS status
     ),
     (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO circulation_loan (book_id, copy_id, member_id, lent_at, due_at, returned_at, renewals)
SELECT book, (book - 1) * 5 / 2 + 1, n * 13 % 20000 + 1, lent_at, lent_at + interval '28 days',
       least(lent_at + (1 + n % 20) * interval '1 day', now()), 0
FROM generate_series(1, 200000) n,
     LATERAL (SELECT pg_temp.day(-782) + n * interval '336 seconds' AS lent_at),
     LATERAL (SELECT n * 37 % 100000 + 1 AS book);

INSERT INTO circulation_loan (book_id, copy_id, member_id, lent_at, due_at, renewals)
SELECT book_id, id, holder_id, due_at - interval '28 days', due_at, 0
FROM library_copy WHERE status = 'on_loan' ORDER BY due_at, id;

-- 100,000 that have ended, then 10,000 in the line for title 1, then ten for each of titles 2 to 1000. Who came first
-- to titles 501 to 1000 has a copy on the hold shelf; in each line somebody has no use of it after a date.
INSERT INTO reservations_reservation (book_id, member_id, status, placed_at, priority, branch_id, closed_at)
SELECT n * 7 % 100000 + 1, n * 3 % 20000 + 1,
       CASE WHEN n % 20000 = 0 THEN 'expired' WHEN n % 4 = 0 THEN 'cancelled' ELSE 'fulfilled' END,
       pg_temp.day(-782) + n * interval '9 minutes', 0, main.id,
       pg_temp.day(-751) + n * interval '9 minutes'
FROM generate_series(1, 100000) n, (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO reservations_reservation
    (book_id, member_id, status, placed_at, priority, copy_id, shelf_until, needed_by, branch_id)
SELECT book, CASE WHEN n <= 10000 THEN n ELSE 10001 + n * 7 % 9973 END,
       CASE WHEN ready THEN 'ready' WHEN n % 20 = 7 THEN 'suspended' ELSE 'waiting' END,
       pg_temp.day(-91) + n * interval '1 minute', CASE WHEN n % 1000 = 0 THEN -1 ELSE 0 END,
       CASE WHEN ready THEN (book - 1) * 5 / 2 + 2 END,
       CASE WHEN ready THEN pg_temp.day(-4) + book % 10 * interval '1 day' END,
       CASE WHEN n % 10 = 4 THEN pg_temp.day(-10) + n % 50 * interval '1 day' END, main.id
FROM generate_series(1, 19990) n,
     LATERAL (SELECT CASE WHEN n <= 10000 THEN 1 ELSE 2 + (n - 10001) / 10 END AS book),
     LATERAL (SELECT book > 500 AND n % 10 = 1 AS ready),
     (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO events_event (kind, book_id, payload, occurred_at)
SELECT 'book.added', n, '{}', pg_temp.day(-790) + n * interval '1 second' FROM generate_series(1, 100000) n;

INSERT INTO events_event (kind, book_id, copy_id, payload, occurred_at)
SELECT 'copy.added', n * 2, n * 5, '{}', pg_temp.day(-788) + n * interval '1 second'
FROM generate_series(1, 50000) n;

INSERT INTO events_event (kind, book_id, copy_id, member_id, loan_id, payload, occurred_at)
SELECT kind, book_id, copy_id, member_id, id, '{}', at
FROM (
    SELECT 'checkout' AS kind, lent_at AS at, * FROM circulation_loan WHERE id % 2 = 0
    UNION ALL
    SELECT CASE WHEN id % 50000 = 10 THEN 'lost' ELSE 'return' END, returned_at, * FROM circulation_loan
    WHERE returned_at IS NOT NULL AND id % 2 = 0
)
ORDER BY at, id;

INSERT INTO events_event (kind, book_id, payload, occurred_at)
SELECT 'book.edited', n, '{}', pg_temp.day(-1) + n * interval '1 second' FROM generate_series(1, 20000) n;

INSERT INTO events_pendingevent (event_id) SELECT id FROM events_event ORDER BY id DESC LIMIT 5000;

INSERT INTO events_storedanswer (caller, key, fingerprint, status, headers, body, created_at)
SELECT 'user:1', n::text, '', 201, '{}', '', now() - interval '23 hours' + n * interval '4 seconds'
FROM generate_series(1, 20000) n;

SELECT setval(pg_get_serial_sequence('library_' || name, 'id'), 1000000)
FROM unnest('{book,copy,member,branch,membercategory}'::text[]) name;
