"""How partners are asked whether they have a title, and how to read what they answer."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from integrations.partners.calling import Failure, Reply, get
from integrations.partners.models import Partner

LOAN = ("loan", "http://purl.org/ontology/dso#Loan")  # of DAIA, in either form
MOST = 1_000_000  # copies of a title; whoever says more is not believed
SHAPE = "Its answer does not have the shape that it should."


class Found(NamedTuple):
    """How many copies of a title a partner has, and how many of them are free for whoever comes."""

    available: int
    total: int


def look_up(partner: Partner, isbn: str, *, deadline: float) -> Found:
    """What a partner has of a title, none if it does not know it. `deadline` as in `calling.get`. Raises Failure."""
    if partner.protocol == Partner.Protocol.DAIA:
        return _daia(partner, isbn, deadline)
    return _circdesk(partner, isbn, deadline)


def circdesk_url(partner: Partner, path: str) -> str:
    """An address at another Circdesk, of which `path` begins with a slash."""
    return f"{partner.base_url.rstrip('/')}{path}"


def circdesk_titles(partner: Partner, isbn: str, *, deadline: float) -> list[dict[str, Any]]:
    """The titles with this ISBN at another Circdesk. Raises Failure."""
    url = circdesk_url(partner, f"/api/books/?{urlencode({'isbn': isbn})}")
    body = _json(get(partner, url, deadline=deadline))
    titles = _of(body, "data", "results")
    if not isinstance(titles, list) or not all(isinstance(title, dict) for title in titles):
        raise Failure(SHAPE)
    return titles


def _circdesk(partner: Partner, isbn: str, deadline: float) -> Found:
    titles = circdesk_titles(partner, isbn, deadline=deadline)
    return _plausible(
        sum(_count(title.get("available")) for title in titles), sum(_count(title.get("total")) for title in titles)
    )


def _daia(partner: Partner, isbn: str, deadline: float) -> Found:
    """As DAIA 1.0 has it (gbv.github.io/daia): documents, their items, and the services that each is available for."""
    base = partner.base_url if urlsplit(partner.base_url).path else f"{partner.base_url}/daia"
    asked = {"id": partner.daia_id.replace("{isbn}", isbn), "format": "json"}
    reply = get(partner, f"{base}?{urlencode(asked, quote_via=quote)}", deadline=deadline)
    if reply.status == 404:  # which some say of a title
        return Found(0, 0)
    body = _json(reply)
    if not isinstance(body, dict) or "document" not in body:
        raise Failure(SHAPE)
    items = [item for document in _list(body, "document") for item in _list(document, "item")]
    whole = [item for item in items if item.get("part") != "narrower"]  # a part of the title is not the title
    free = [item for item in whole if any(service.get("service") in LOAN for service in _list(item, "available"))]
    return _plausible(len(free), len(whole))


def _json(reply: Reply) -> Any:
    """Raises Failure, unless it is there."""
    if 300 <= reply.status < 400:
        raise Failure(f"It answered {reply.status}, a redirect, which is not followed.")
    if reply.status != 200:
        raise Failure(f"It answered {reply.status}.")
    return reply.json()


def _of(value: Any, *names: str) -> Any:
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise Failure(SHAPE)
        value = value[name]
    return value


def _list(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What is not there is empty, says DAIA."""
    rows = parent.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Failure(SHAPE)
    return rows


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Failure(SHAPE)
    return value


def _plausible(available: int, total: int) -> Found:
    if not 0 <= available <= total <= MOST:
        raise Failure(SHAPE)
    return Found(available, total)
