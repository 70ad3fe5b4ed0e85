"""What partners say of a title, in either protocol, and what is not believed."""

import json
import time

import pytest

from integrations.partners.calling import Failure
from integrations.partners.protocols import Found, look_up
from tests.partners.conftest import at
from tests.webhooks.receiving import answering

ISBN = "9780141439549"
SHAPE = "Its answer does not have the shape that it should."


def found(server, answer, *, status=200, **partner):
    server.behaviour = answering(status, json.dumps(answer).encode() if not isinstance(answer, bytes) else answer)
    return look_up(at(server, **partner), ISBN, deadline=time.monotonic() + 5)


def why(server, answer, **options):
    with pytest.raises(Failure) as caught:
        found(server, answer, **options)
    return str(caught.value)


def titles(*titles):
    return {"success": True, "message": "", "data": {"results": list(titles), "next": None, "previous": None}}


# --- Circdesk ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["", "/", "/library", "/library/"])
def test_another_circdesk_is_asked_by_isbn(server, base):
    partner = at(server)
    answer = titles({"available": 1, "total": 3}, {"available": 1, "total": 1})

    assert found(server, answer, base_url=partner.base_url + base) == Found(2, 4)
    assert server.received[0].target == f"{base.rstrip('/')}/api/books/?isbn={ISBN}"


def test_a_title_that_another_circdesk_does_not_know_is_not_there(server):
    assert found(server, titles()) == Found(0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "no",
        None,
        {},
        {"data": None},
        {"data": []},
        {"data": {"results": None}},
        {"data": {"results": {}}},
        titles("no"),
        titles(None),
        titles({}),
        titles({"available": 1}),
        titles({"available": None, "total": 1}),
        titles({"available": "1", "total": 1}),
        titles({"available": True, "total": 1}),
        titles({"available": 1.5, "total": 2}),
        titles({"available": -1, "total": 1}),
        titles({"available": 2, "total": 1}),
        titles({"available": 0, "total": 10**30}),
        b'{"data": {"results": [{"available": 1e999, "total": NaN}]}}',
    ],
)
def test_another_shape_is_not_believed(server, answer):
    assert why(server, answer) == SHAPE


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 418, 429, 500])
def test_another_status_is_a_failure(server, status):
    assert why(server, titles(), status=status) == f"It answered {status}."


def test_a_redirect_is_a_failure(server):
    assert why(server, titles(), status=302) == "It answered 302, a redirect, which is not followed."


# --- DAIA ----------------------------------------------------------------------------------------------------


def item(*services, **more):
    return {"available": [{"service": service} for service in services], **more}


def document(*items):
    return {"document": [{"id": f"urn:isbn:{ISBN}", "item": list(items)}]}


@pytest.mark.parametrize(
    ("path", "asked_at"),
    [("", "/daia"), ("/", "/"), ("/daia", "/daia"), ("/isil/DE-7", "/isil/DE-7"), ("/daia.php", "/daia.php")],
)
def test_a_daia_server_is_asked_as_it_wants_to_be(server, path, asked_at):
    partner = at(server)
    found(server, document(), protocol="daia", base_url=partner.base_url + path, daia_id="urn:isbn:{isbn}|x y")

    assert server.received[0].target == f"{asked_at}?id=urn%3Aisbn%3A{ISBN}%7Cx%20y&format=json"


@pytest.mark.parametrize(
    ("answer", "is_there"),
    [
        ({"document": []}, Found(0, 0)),
        ({"document": [{"id": "x"}]}, Found(0, 0)),
        (document(item("loan")), Found(1, 1)),
        (document(item("http://purl.org/ontology/dso#Loan")), Found(1, 1)),
        (document(item("presentation", "openaccess", "interloan")), Found(0, 1)),
        (document(item("presentation", "loan"), {"unavailable": [{"service": "loan"}]}, {}), Found(1, 3)),
        (document(item("loan", part="narrower"), item("loan", part="broader")), Found(1, 1)),
        ({"document": document(item("loan"))["document"] * 2}, Found(2, 2)),
        ({**document(item("loan", label="x", unknown=[1])), "institution": {"id": "y"}}, Found(1, 1)),
    ],
)
def test_what_may_be_borrowed_is_counted(server, answer, is_there):
    assert found(server, answer, protocol="daia") == is_there


@pytest.mark.parametrize(
    "answer",
    [
        [],
        None,
        {},
        {"document": None},
        {"document": {}},
        {"document": ["x"]},
        {"document": [{"item": "x"}]},
        {"document": [{"item": [None]}]},
        {"document": [{"item": [{"available": "loan"}]}]},
        {"document": [{"item": [{"available": ["loan"]}]}]},
        {"error": "internal_error", "code": 500},
    ],
)
def test_another_shape_of_daia_is_not_believed(server, answer):
    assert why(server, answer, protocol="daia") == SHAPE


def test_a_daia_server_that_does_not_know_a_title_has_none(server):
    assert found(server, {}, status=404, protocol="daia") == Found(0, 0)


def test_a_service_with_a_strange_name_is_none_that_we_know(server):
    answer = {"document": [{"id": "x", "item": [{"available": [{"service": ["loan"]}, {}, {"service": None}]}]}]}

    assert found(server, answer, protocol="daia") == Found(0, 1)
