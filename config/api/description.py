"""How the OpenAPI document is made, and what it says as a whole."""

DESCRIPTION = {
    "TITLE": "Circdesk",
    "DESCRIPTION": (
        "The circulation desk of a library: titles, copies, members, loans and the reservation queue.\n\n"
        "Addresses may end in a slash. What is at no address is 404 `NOT_FOUND`; a method that an address does not "
        "have is 405 `METHOD_NOT_ALLOWED`, and `Allow` says which it has, as it does with other answers. `Vary` says "
        "on what an answer depends. A defect of the service is 500 `INTERNAL_ERROR`, in the form of all errors. The "
        "security headers that come with every answer are for browsers."
    ),
    "VERSION": "1.0.0",
    "CONTACT": {"name": "The library that runs this service"},
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "Where this document comes from."}],
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {
        "id": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
        "barcode": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.schema.complete",
    ],
    "TAGS": [
        {"name": "accounts", "description": "Signing up and in; keys for programs."},
        {"name": "me", "description": "One's own account, loans and reservations."},
        {"name": "catalogue", "description": "Titles, and how many copies of each are where."},
        {"name": "copies", "description": "Single items with a barcode."},
        {"name": "members", "description": "Who may borrow."},
        {"name": "circulation", "description": "Check-out, return, renewal; loans and events."},
        {"name": "reservations", "description": "The line for a title: first come, first served."},
        {"name": "jobs", "description": "Long work, done by a worker: imports, exports, anonymising."},
        {"name": "events", "description": "What happened, sent to whoever subscribed."},
        {"name": "simple borrowing", "description": "Users who borrow and return books, in two requests."},
        {
            "name": "two services",
            "description": "What an admin's service and a public one ask: books, and who has them.",
        },
        {"name": "partner libraries", "description": "A copy kept until a date, here or at another library."},
        {"name": "document availability", "description": "Where copies are, as catalogues ask elsewhere: DAIA 1.0."},
    ],
    "WEBHOOKS": ["integrations.publishing.schemas.MESSAGE"],
    "ENUM_SUFFIX": "",
    "ENUM_NAME_OVERRIDES": {
        "NextAction": [("shelve", "shelve"), ("hold", "hold"), ("lend", "lend"), ("transit", "transit")],
        "Scope": "accounts.models.Scope",
        "CopyStatus": "library.models.Copy.Status",
        "ReservationStatus": "reservations.models.Reservation.Status",
        "BookStatus": "integrations.contracts.two_services.STATUSES",
    },
}
