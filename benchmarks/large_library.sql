-- A library of any size, the same every time: for :titles titles 3 copies each, :members members, 4 open loans for ten
-- titles and 26 closed ones, 10 events for each title, and a line of :line for title 1. Dates are counted from the day
-- on which it is built.
--
-- What is frequent in a small library is frequent in a big one. Different words, authors and publishers grow with the
-- root of the titles, as they do in a language: :scale is 1 at 100,000.
--
-- Who borrows has an odd number. Even numbers have nothing and are welcome: they come to the desk while it is measured,
-- for titles that end in 4, of which everything is in. Each part that begins with a title is a step of its own.

-- Functions
CREATE FUNCTION pg_temp.word(number int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN substr(translate(md5(number::text), '0123456789', 'ghijklmnop'), 1, 3 + number % 6);

CREATE FUNCTION pg_temp.day(number int) RETURNS timestamptz LANGUAGE sql STABLE
RETURN date_trunc('day', now()) + number * interval '1 day';

INSERT INTO library_branch (id, name, time_zone, closing_times, closed_on)
SELECT n + 100, 'Branch ' || n, 'UTC', array_fill('23:59:59'::time, '{7}'), '{}' FROM generate_series(1, 9) n;

INSERT INTO library_membercategory (id, name) SELECT n + 100, 'Category ' || n FROM generate_series(1, 3) n;

-- Members
INSERT INTO library_member
    (id, card_number, first_name, last_name, email, category_id, branch_id, expires_on, blocked_reason, source, source_id)
SELECT n, 'C' || lpad(n::text, 8, '0'), initcap(pg_temp.word(n % (700 * :scale)::int)),
       initcap(pg_temp.word(n * 7 % (3000 * :scale)::int)), 'member' || n || '@Example.org',
       category.id, branch.id, CASE WHEN n % 50 = 1 THEN current_date - 60 END,
       CASE WHEN n % 98 = 1 THEN 'lost a card' ELSE '' END, '', ''
FROM generate_series(1, :members) n,
     (SELECT min(id) AS id FROM library_membercategory) category, (SELECT min(id) AS id FROM library_branch) branch;

-- Titles
INSERT INTO library_book
    (id, title, authors, isbn, publisher, category, language, published_year, source, source_id, in_circulation)
SELECT n,
       initcap(pg_temp.word(n * 13 % (4000 * :scale)::int)) || ' and the ' || pg_temp.word(n * 29 % (4993 * :scale)::int)
       || ' ' || pg_temp.word(n / 23),
       CASE WHEN n % 3 > 0 THEN initcap(pg_temp.word(n * 11 % (4999 * :scale)::int)) || ' '
                                || initcap(pg_temp.word(n * 17 % (997 * :scale)::int)) ELSE '' END,
       CASE WHEN n % 4 > 0 THEN (9780000000000 + n)::text ELSE '' END,
       'Publisher ' || n % (400 * :scale)::int, 'Category ' || n % 12, CASE WHEN n % 5 = 0 THEN 'ger' ELSE 'eng' END,
       CASE WHEN n % 7 > 0 THEN 1925 + n % 101 END, 'old system', n::text, true
FROM generate_series(1, :titles) n;

-- Copies
-- One title in a hundred, from the first on, has a line of ten and nothing free: its copies are on loan, the second ones
-- of the second half on the hold shelf. Of every twentieth all are on loan, too, and of two in ten the first.
-- Those on loan go round among the borrowers.
INSERT INTO library_copy (id, book_id, barcode, branch_id, status, holder_id, due_at)
SELECT (book - 1) * 3 + number, book, book || '-' || number, CASE WHEN number = 1 THEN main ELSE 101 + book % 8 END, status,
       CASE status WHEN 'on_hold_shelf' THEN book * 10::bigint * 7919 % (:members / 2) * 2 + 1
                   WHEN 'on_loan' THEN place * 7919 % (:members / 2) * 2 + 1 END,
       CASE status WHEN 'on_loan' THEN pg_temp.day(-14) + book % 40 * interval '1 day' END
FROM (
    SELECT *, count(*) FILTER (WHERE status = 'on_loan') OVER (ORDER BY book, number) AS place
    FROM (
        SELECT book, number,
               CASE WHEN book > :titles / 200 AND book <= :titles / 100 AND number = 2 THEN 'on_hold_shelf'
                    WHEN book <= :titles / 100 OR book % 20 = 3 OR number = 1 AND book % 10 IN (1, 7) THEN 'on_loan'
                    ELSE 'available' END AS status
        FROM generate_series(1, :titles) book, generate_series(1, 3) number
    )
), (SELECT min(id) AS main FROM library_branch);

-- Loans
INSERT INTO circulation_loan (book_id, copy_id, member_id, lent_at, due_at, returned_at, renewals)
SELECT book, (book - 1) * 3 + 1 + n % 3, n::bigint * 13 % :members + 1, lent_at, lent_at + interval '28 days',
       least(lent_at + (1 + n % 20) * interval '1 day', now()), 0
FROM generate_series(1, (:titles * 2.6)::int) n,
     LATERAL (SELECT pg_temp.day(-782) + n * (interval '777 days' / (:titles * 2.6)) AS lent_at),
     LATERAL (SELECT (n::bigint * 37 % :titles + 1)::int AS book);

INSERT INTO circulation_loan (book_id, copy_id, member_id, lent_at, due_at, renewals)
SELECT book_id, id, holder_id, due_at - interval '28 days', due_at, 0
FROM library_copy WHERE status = 'on_loan' ORDER BY due_at, id;

-- Reservations
-- Those that have ended, one for each title; then the long line, of who has nothing; then the lines of ten. Here and
-- there somebody has stepped back, or has no use of it after a date; who comes first is there.
INSERT INTO reservations_reservation (book_id, member_id, status, placed_at, priority, branch_id, closed_at)
SELECT n::bigint * 7 % :titles + 1, n::bigint * 3 % :members + 1,
       CASE WHEN n % 20000 = 0 THEN 'expired' WHEN n % 4 = 0 THEN 'cancelled' ELSE 'fulfilled' END,
       pg_temp.day(-782) + n * (interval '630 days' / :titles), 0, main.id,
       pg_temp.day(-751) + n * (interval '630 days' / :titles)
FROM generate_series(1, :titles) n, (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO reservations_reservation (book_id, member_id, status, placed_at, priority, needed_by, branch_id)
SELECT 1, n * 2, CASE WHEN n % 20 = 7 THEN 'suspended' ELSE 'waiting' END,
       pg_temp.day(-91) + n * interval '1 minute', CASE WHEN n % 1000 = 0 THEN -1 ELSE 0 END,
       CASE WHEN n % 10 = 4 THEN pg_temp.day(10) + n % 50 * interval '1 day' END, main.id
FROM generate_series(1, :line) n, (SELECT min(id) AS id FROM library_branch) main;

INSERT INTO reservations_reservation
    (book_id, member_id, status, placed_at, priority, copy_id, shelf_until, needed_by, branch_id)
SELECT book, n::bigint * 7919 % (:members / 2) * 2 + 1,
       CASE WHEN ready THEN 'ready' WHEN n % 20 = 7 THEN 'suspended' ELSE 'waiting' END,
       pg_temp.day(-80) + n * (interval '60 days' / :titles), 0, CASE WHEN ready THEN (book - 1) * 3 + 2 END,
       CASE WHEN ready THEN pg_temp.day(1) + book % 10 * interval '1 day' END,
       CASE WHEN n % 10 = 4 THEN pg_temp.day(10) + n % 50 * interval '1 day' END, main.id
FROM generate_series(20, :titles / 10 + 9) n,
     LATERAL (SELECT n / 10 AS book),
     LATERAL (SELECT book > :titles / 200 AND n % 10 = 0 AS ready),
     (SELECT min(id) AS id FROM library_branch) main;

-- Events of the catalogue
INSERT INTO events_event (kind, book_id, payload, occurred_at)
SELECT 'book.added', id, jsonb_build_object('title', title, 'copies', 3),
       pg_temp.day(-790) + id * (interval '1 day' / :titles)
FROM library_book ORDER BY id;

INSERT INTO events_event (kind, book_id, copy_id, payload, occurred_at)
SELECT 'copy.added', book_id, id, jsonb_build_object('barcode', barcode),
       pg_temp.day(-788) + id * (interval '1 day' / (:titles * 3))
FROM library_copy ORDER BY id;

INSERT INTO events_event (kind, member_id, payload, occurred_at)
SELECT 'member.enrolled', n, '{}', pg_temp.day(-786) + n * (interval '1 day' / :members)
FROM generate_series(1, :members) n;

-- Events of the desk
INSERT INTO events_event (kind, book_id, copy_id, member_id, loan_id, payload, occurred_at)
SELECT kind, book_id, copy_id, member_id, id, payload, at
FROM (
    SELECT 'checkout' AS kind, lent_at AS at,
           jsonb_build_object('barcode', book_id || '-1', 'due_at', due_at, 'open', 0, 'limit', 5) AS payload, *
    FROM circulation_loan
    UNION ALL
    SELECT 'return', returned_at, jsonb_build_object('barcode', book_id || '-1', 'overdue', due_at < returned_at), *
    FROM circulation_loan WHERE returned_at IS NOT NULL
)
ORDER BY at, id;

INSERT INTO events_event (kind, book_id, payload, occurred_at)
SELECT 'book.edited', n * 5, '{}', pg_temp.day(-1) + n * (interval '20 hours' / (:titles / 5))
FROM generate_series(1, :titles / 5) n;

SELECT setval(pg_get_serial_sequence('library_' || name, 'id'), 100000000)
FROM unnest('{book,copy,member,branch,membercategory}'::text[]) name;
