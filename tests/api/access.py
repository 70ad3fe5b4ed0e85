"""The table of access, by the names that these tests have for routes."""

import re

from accounts.access import ACCESS

_OURS = {
    "{book_id}": "{book}",
    "{member_id}": "{member}",
    "{loan_id}": "{loan}",
    "{reservation_id}": "{reservation}",
    "{partner_reservation_id}": "{partner_reservation}",
    "{key_id}": "{key}",
    "{webhook_id}": "{webhook}",
    "{job_id}": "{job}",
}


def _named(route):
    path = re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{route}")
    for theirs, ours in _OURS.items():
        path = path.replace(theirs, ours)
    return path


RULES = {(_named(route), method): rule for (route, method), rule in ACCESS.items()}


def rule_of(route, method):
    return RULES[route, method.upper()]
