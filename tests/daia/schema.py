"""A DAIA response as JSON Schema, written from the tables of the specification: https://gbv.github.io/daia/daia.html.

Fields that DAIA does not know are faults here, though it allows them.
"""

from jsonschema import Draft202012Validator

TEXT = {"type": "string", "minLength": 1}
URI = {"type": "string", "format": "uri", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:"}
URL = {"type": "string", "format": "uri", "pattern": "^https?://"}
ZONE = "(Z|[+-][0-9]{2}:[0-9]{2})"
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?"


def _object(*required, **properties):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _several(items):
    return {"type": "array", "items": items}


ENTITY = {**_object(id=URI, href=URL, content=TEXT), "minProperties": 1}
SERVICE = {"anyOf": [{"enum": ["presentation", "loan", "remote", "interloan", "openaccess"]}, URI]}
DURATION = {"type": "string", "pattern": "^(unknown|-?P(?=.).*)$"}
ANYDATE = {"type": "string", "pattern": f"^(unknown|{DATE}(T{TIME})?{ZONE}?)$"}
AVAILABLE = _object("service", service=SERVICE, href=URL, delay=DURATION, limitation=_several(ENTITY))
UNAVAILABLE = _object(
    "service",
    service=SERVICE,
    href=URL,
    expected=ANYDATE,
    queue={"type": "integer", "minimum": 1},  # none is left out
    limitation=_several(ENTITY),
)
ITEM = _object(
    id=URI,
    href=URL,
    part={"enum": ["narrower", "broader"]},
    label=TEXT,
    about=TEXT,
    department=ENTITY,
    storage=ENTITY,
    available=_several(AVAILABLE),
    unavailable=_several(UNAVAILABLE),
)
DOCUMENT = _object("id", id=URI, requested=TEXT, href=URL, about=TEXT, item=_several(ITEM))
RESPONSE = _object(
    "document",
    document=_several(DOCUMENT),
    institution=ENTITY,
    timestamp={"type": "string", "format": "date-time", "pattern": f"^{DATE}T{TIME}{ZONE}$"},
)
ERROR = _object(
    "error",
    "code",
    error={"type": "string", "pattern": "^[a-z_]+$"},
    code={"type": "integer", "minimum": 400, "maximum": 599},
    error_description=TEXT,
    error_uri=URL,
)
_VALIDATORS = {
    name: Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for name, schema in (("response", RESPONSE), ("error", ERROR))
}


def faults(kind, answer):
    """What is wrong with a response, or with an error."""
    return [f"{error.json_path}: {error.message}" for error in _VALIDATORS[kind].iter_errors(answer)]


def breaches(response):
    """Which of the rules of integrity a response breaks.

    The first, that documents and items are unique, as far as it can be kept: a title that was asked for under two
    identifiers is two documents, for each says which of them it answers.
    """
    found = []
    asked = [(document["id"], document["requested"]) for document in response["document"]]
    if len(set(asked)) < len(asked):
        found.append("the same document twice")
    for document in response["document"]:
        addresses = [document["id"], *(item["id"] for item in document["item"])]
        if len(set(addresses)) < len(addresses):
            found.append("two of one id")
        for item in document["item"]:
            found += _of_item(item, response["institution"])
    return found


def _of_item(item, institution):
    places = [item[name] for name in ("department", "storage") if name in item]
    services = item["available"] + item["unavailable"]
    limits = [limit for service in services for limit in service.get("limitation", [])]
    if any(place.get("id") == institution["id"] for place in places + limits):
        yield "the institution is a place in itself"
    if len(places) == 2 and places[0].get("id", "") == places[1].get("id", "none"):
        yield "a storage that is its department"
    for service in item["available"]:
        for other in item["unavailable"]:
            same = service["service"] == other["service"]
            if same and service.get("limitation", []) == other.get("limitation", []):
                yield "a service both available and unavailable"
