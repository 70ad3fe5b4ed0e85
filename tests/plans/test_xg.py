import pytest
from datetime import *
from library.models import *
from circulation import services, housekeeping, statistics, copies, members
from reservations import services as line, availability
from reservations.models import *
import sys; sys.path.insert(0,'/tmp')
from explaining_g import explaining
from django.conf import settings as S
from rest_framework.test import APIClient
from tests.factories import UserFactory
from django.db import transaction

pytestmark = [pytest.mark.usefixtures("in_big_library"), pytest.mark.django_db]
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def show(name, plans):
    import time

    for p in plans:
        touched = p.blocks if "Shared Hit Blocks" in p.root else "?"
        g=getattr(p,"generic",None)
        if g and (g.blocks>p.blocks*2+20 or g.scanned-p.scanned): print(f"GEN  {name}: custom={p.blocks} cost={p.root['Total Cost']} generic={g.blocks} cost={g.root['Total Cost']} {sorted(p.indexes)} {sorted(g.indexes)} {g.scanned}")
        flag = "SEQ " if p.scanned else ""
        print(
            f"{flag:4}{name}: blocks={touched} rows={p.root.get('Actual Rows')} idx={sorted(p.indexes)} seq={p.scanned}"
        )
        if p.scanned or (touched != "?" and touched > 300):
            print("      ", p.sql.replace("\n", " ")[:600])


def api(*paths):
    c = APIClient()
    c.force_authenticate(UserFactory(staff=True))
    for path in paths:
        with explaining() as plans:
            r = c.get(path)
        if r.status_code != 200:
            print(path, r.content)
            continue
        show(path, plans)
        d = r.json()["data"]
        while False:
            pass


def test_api(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": "x" + str(datetime.now())}}
    print()
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    B = "/api/books/"
    for o in ("id", "title", "author", "published_year"):
        for s in ("", "-"):
            api(f"{B}?ordering={s}{o}")
    api(
        *[
            B + q
            for q in [
                "?category=Category+3",
                "?publisher=Publisher+17",
                "?category=Category+5&publisher=Publisher+17&ordering=title",
                "?category=Category+5&publisher=Publisher+17",
                "?publisher=Publisher+17&ordering=title",
                "?language=lat",
                "?language=ger",
                "?language=xx",
                "?isbn=9780306406157",
                "?author=bc",
                "?author=qqq",
                "?author=gnh",
                "?year_min=1480&year_max=1490",
                "?year_min=1990&year_max=1990",
                "?year_min=3000",
                "?available=true",
                "?available=false",
                "?branch=Branch+9",
                "?branch=branch+3",
                "?branch=Branch+9&available=true",
                "?branch=Branch+9&available=false",
                "?search=and",
                "?search=zzz",
                "?search=gnh",
                "?search=and+the&ordering=title",
                "?search=ab&available=true",
                "?category=nope",
                "?publisher=nope",
                "?count=true",
                "?category=Category+3&count=true",
                "?facets=true",
                "?facets=true&category=Category+3",
                "?category=Category+3&ordering=title",
                "?category=Category+3&ordering=published_year",
                "?language=lat&ordering=title",
            ]
        ]
    )
    t = Book.objects.get(pk=77777).title.split()
    api(
        B + "?search=" + "+".join(t),
        B + "?search=" + t[0][:-1] + "x+and+the+" + t[3],
        B + "?search=" + t[3],
        B + "?search=and+the+" + t[3][:3],
    )
    api(
        "/api/members/",
        "/api/members/?ordering=name",
        "/api/members/?ordering=-name",
        "/api/members/?ordering=card_number",
        *["/api/members/?search=" + q for q in ("C00000777", "member777@example.org", "gn", "zzzz")],
    )
    for path in ("/api/members/777/loans/", "/api/members/777/history/", "/api/members/777/reservations/"):
        api(path)
    L = "/api/loans/"
    api(
        *[
            L + q
            for q in [
                "",
                "?ordering=-id",
                "?ordering=due_at",
                "?ordering=-due_at",
                "?ordering=lent_at",
                "?ordering=-lent_at",
                "?member=777",
                "?book=777",
                "?member=777&status=open&ordering=due_at",
                "?member=777&status=returned&ordering=lent_at",
            ]
            + [
                f"?status={s}&ordering={o}"
                for s in ("open", "overdue", "returned")
                for o in ("id", "-id", "due_at", "-due_at", "lent_at", "-lent_at")
            ]
        ]
    )
    E = "/api/circulation/events/"
    api(
        *[
            E + q
            for q in [
                "",
                "?ordering=-id",
                "?kind=checkout",
                "?kind=lost",
                "?kind=damaged",
                "?kind=return&ordering=-id",
                "?book=777",
                "?member=777",
                "?copy=777-1",
                "?since=2026-02-01",
                "?since=2024-01-01&until=2024-01-20",
                "?until=2024-01-11",
                "?since=2026-02-27&until=2026-02-28&kind=checkout",
                "?book=1",
                "?since=2027-01-01",
                "?until=2020-01-01",
            ]
        ]
    )
    R = "/api/reservations/"
    api(
        *[
            R + q
            for q in [
                "",
                "?ordering=-id",
                "?ordering=placed_at",
                "?ordering=-placed_at",
                "?member=777",
                "?book=777",
                "?book=1",
                "?book=1&status=live&ordering=placed_at",
            ]
            + [
                f"?status={s}&ordering={o}"
                for s in ("live", "waiting", "ready", "suspended", "expired", "cancelled", "fulfilled")
                for o in ("id", "-id", "placed_at", "-placed_at")
            ]
        ]
    )
    api(
        "/api/books/1/queue/",
        "/api/books/777/queue/",
        "/api/books/777/availability/",
        "/api/books/777/",
        "/api/books/1/availability/",
        "/api/books/777/copies/",
        "/api/books/777/copies/?ordering=barcode",
        "/api/copies/777-1/",
        "/api/statistics/",
    )


def op(name, f):
    sid = transaction.savepoint()
    with explaining() as plans:
        try:
            f()
        except Exception as e:
            print(name, "EXC", type(e), str(e)[:200])
    show(name, plans)
    transaction.savepoint_rollback(sid)


def test_ops(settings):
    print()
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    from django.utils import timezone

    m = Member.objects.filter(blocked_reason="", expires_on=None, loans=None).first()
    free = Copy.objects.filter(status="available", book_id=50002).first()
    busy = Member.objects.get(pk=777)
    LoanPolicy.objects.update(max_loans=50, lend_while_overdue=True)
    from circulation.models import Loan

    op("checkout title", lambda: services.check_out(member_id=777, book_id=free.book_id, at=NOW))
    op("checkout barcode", lambda: services.check_out(member_id=777, barcode=free.barcode, at=NOW))
    op("checkout -> queue title 1", lambda: services.check_out(member_id=12000, book_id=1, at=NOW))
    op("checkout -> queue title 30", lambda: services.check_out(member_id=777, book_id=30, at=NOW))
    l = Loan.objects.active().filter(book_id=30).first()
    op("return barcode + settle", lambda: services.return_copy(barcode=l.copy.barcode, at=NOW))
    op("return id + settle", lambda: services.return_copy(loan_id=l.pk, at=NOW))
    op("return member book", lambda: services.return_copy(member_id=l.member_id, book_id=l.book_id, at=NOW))
    op(
        "return lend",
        lambda: services.return_copy(member_id=l.member_id, book_id=l.book_id, at=NOW, fulfil_on_return="loan"),
    )
    l1 = Loan.objects.active().filter(book_id=1).first()
    op("return title 1", lambda: services.return_copy(loan_id=l1.pk, at=NOW))
    l2 = Loan.objects.active().filter(book_id=50003).first()
    op("renew", lambda: services.renew(loan_id=l2.pk, at=NOW))
    op("renew 1", lambda: services.renew(loan_id=l1.pk, at=NOW))
    op("reserve 1", lambda: line.reserve(member_id=12000, book_id=1, at=NOW))
    r = Reservation.objects.filter(status="waiting", book_id=1)[5000]
    op("cancel", lambda: line.cancel(reservation_id=r.pk, at=NOW))
    op("reorder", lambda: line.reorder(reservation_id=r.pk, at=NOW, priority=-3, reason="x"))
    rr = Reservation.objects.filter(status="ready")[3]
    op("fulfil", lambda: services.fulfil(reservation_id=rr.pk, at=NOW))
    op("fulfil head", lambda: services.fulfil_head(book_id=rr.book_id, at=NOW))
    op("expire", lambda: line.expire(book_id=rr.book_id, at=NOW + timedelta(days=50)))
    op(
        "lapsed",
        lambda: list(Reservation.objects.lapsed(NOW).filter(book__withdrawn_at=None).values_list("book_id", flat=True)),
    )
    op("stranded", lambda: print(len(housekeeping.stranded(at=NOW))))
    op("statistics", lambda: statistics.statistics(at=NOW))
    op("lost", lambda: copies.mark_lost(barcode=rr.copy.barcode, at=NOW))
    op("settle lines of", lambda: members.settle_lines_of(busy, at=NOW))
    op("delete member", lambda: members.delete(member_id=m.pk if m else 3, at=NOW))
    op("availability 25", lambda: availability.count(range(500, 525)))
    op("availability 1", lambda: availability.count([1]))
    from events.relay import relay_pending

    op("relay", lambda: (line.suspend(reservation_id=r.pk, at=NOW), relay_pending()))
    from reservations import titles

    op("withdraw", lambda: titles.withdraw_title(book_id=free.book_id, at=NOW))
    op("sweep answers", lambda: housekeeping.StoredAnswer.objects.filter(created_at__lt=NOW).delete())
