"""Asking as another catalogue does, and reading what it gets."""

from tests.daia.schema import breaches, faults

HEADERS = {"X-DAIA-Version": "1.0.0", "Access-Control-Allow-Origin": "*", "Content-Language": "en"}
JSON = "application/json; charset=utf-8"


def ask(client, *identifiers, **headers):
    """The answer to these identifiers, with vertical bars between."""
    return client.get("/daia", {"format": "json", "id": "|".join(identifiers)}, **headers)


def answer_of(response):
    """A response that is as DAIA wants it, with its headers."""
    assert response.status_code == 200, response.content
    _has_headers(response)
    answer = response.json()
    assert faults("response", answer) == []
    assert breaches(answer) == []
    assert list(answer) == ["document", "institution", "timestamp"]
    return answer


def error_of(response, status, word):
    """What an error tells people, which is as DAIA wants it."""
    assert response.status_code == status, response.content
    _has_headers(response)
    error = response.json()
    assert faults("error", error) == []
    assert (list(error), error["error"]) == (["error", "code", "error_description"], word)
    assert error["code"] == status
    return error["error_description"]


def _has_headers(response):
    assert response["Content-Type"] == JSON
    assert {name: response[name] for name in HEADERS} == HEADERS


def documents(client, *identifiers):
    """The documents that are found."""
    return answer_of(ask(client, *identifiers))["document"]


def found(client, *identifiers):
    """Which identifier found which title, in the order of the answer."""
    return [(document["requested"], id_of(document)) for document in documents(client, *identifiers)]


def id_of(document):
    address = document["id"]
    assert address == document["href"]
    return int(address.removeprefix("http://testserver/api/books/").removesuffix("/"))


def items_of(client, book):
    """The copies of a title by their barcodes."""
    [document] = documents(client, f"http://testserver/api/books/{book.pk}/")
    return {item["label"]: item for item in document["item"]}


def lendable(client, *books):
    """How many copies of each title can be borrowed, at most 100 titles."""
    addresses = [f"http://testserver/api/books/{book.pk}" for book in books]
    return {id_of(document): len(open_for("loan", document)) for document in documents(client, *addresses)}


def open_for(service, document):
    """The barcodes of the copies that are available for this service."""
    return [item["label"] for item in document["item"] if {"service": service} in item["available"]]
