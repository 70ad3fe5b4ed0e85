"""Who may do what. Whether a caller is let in, this table decides, and nothing else.

What is done for those who are in also depends on who they are, and the endpoints see to it. Overriding a rule,
rehearsing an enrolment, who has a copy, and who is next in line for a returned one, are for staff. People see and
revoke their own API keys, admins everybody's; and nobody gives a key more than they may do themselves.

`who`     the least that one must be. Each role may do what those before may.
          anyone     without signing in
          own        members, for themselves: everybody else's data does not exist for them. Staff, for everybody.
          account    whoever has signed in
          staff      librarians, and admins
          named      staff who have signed in: not whoever comes to an open desk
          admin      admins
`scope`   what an API key must be good for; `any` key, or `no` key at all. Who signed in needs none.
`as`      of a member's own rows, the part of SELF_SERVICE that must be on; of others, nothing.
`rate`    which of the caller's allowances it counts against, see THROTTLE_RATES.

HEAD goes with GET. OPTIONS is for whoever may use any method of the route, and counts as a read.
"""

from __future__ import annotations

from dataclasses import dataclass

# fmt: off
_TABLE = """
method  route                                                who      scope              as        rate

GET     api/                                                 anyone   any                -         read
GET     api/schema/                                          anyone   any                -         read
GET     api/docs/                                            anyone   any                -         read
GET     api/redoc/                                           anyone   any                -         read

POST    api/register/                                        anyone   no                 register  account
POST    api/users/                                           anyone   members:write      register  account
POST    api/token/                                           anyone   no                 -         account
POST    api/token/refresh/                                   anyone   no                 -         account
POST    api/token/verify/                                    anyone   no                 -         account
POST    api/token/blacklist/                                 anyone   no                 -         account
GET     api/me/                                              account  any                -         read
GET     api/me/loans/                                        account  no                 -         read
GET     api/me/history/                                      account  no                 -         read
GET     api/me/reservations/                                 account  no                 -         read
POST    api/me/password/                                     account  no                 -         account
GET     api/keys/                                            named    admin              -         read
POST    api/keys/                                            named    no                 -         account
GET     api/keys/<id:key_id>/                                named    admin              -         read
DELETE  api/keys/<id:key_id>/                                named    admin              -         write

GET     api/books/                                           anyone   catalogue:read     -         read
POST    api/books/                                           staff    catalogue:write    -         write
GET     api/books/<id:book_id>/                              anyone   catalogue:read     -         read
PUT     api/books/<id:book_id>/                              staff    catalogue:write    -         write
PATCH   api/books/<id:book_id>/                              staff    catalogue:write    -         write
DELETE  api/books/<id:book_id>/                              staff    catalogue:write    -         write
GET     api/books/<id:book_id>/availability/                 anyone   catalogue:read     -         read
GET     api/books/<id:book_id>/copies/                       anyone   catalogue:read     -         read
POST    api/books/<id:book_id>/copies/                       staff    catalogue:write    -         write
GET     api/books/<id:book_id>/queue/                        staff    circulation:read   -         read
GET     api/copies/<barcode:barcode>/                        anyone   catalogue:read     -         read
PATCH   api/copies/<barcode:barcode>/                        staff    catalogue:write    -         write
POST    api/copies/<barcode:barcode>/mark-lost/              staff    circulation:write  -         write
POST    api/copies/<barcode:barcode>/mark-missing/           staff    circulation:write  -         write
POST    api/copies/<barcode:barcode>/mark-found/             staff    circulation:write  -         write
POST    api/copies/<barcode:barcode>/mark-damaged/           staff    circulation:write  -         write
POST    api/copies/<barcode:barcode>/repair/                 staff    circulation:write  -         write
POST    api/copies/<barcode:barcode>/withdraw/               staff    catalogue:write    -         write

GET     api/members/                                         staff    members:read       -         read
POST    api/members/                                         staff    members:write      -         write
GET     api/members/<id:member_id>/                          own      members:read       -         read
PUT     api/members/<id:member_id>/                          staff    members:write      -         write
PATCH   api/members/<id:member_id>/                          staff    members:write      -         write
DELETE  api/members/<id:member_id>/                          staff    members:write      -         write
GET     api/members/<id:member_id>/loans/                    own      circulation:read   -         read
GET     api/members/<id:member_id>/history/                  own      circulation:read   -         read
GET     api/members/<id:member_id>/reservations/             own      circulation:read   -         read

POST    api/circulation/checkout/                            own      circulation:write  borrow    write
POST    api/circulation/return/                              own      circulation:write  return    write
POST    api/circulation/renew/                               own      circulation:write  renew     write
POST    api/circulation/batch/                               staff    circulation:write  -         write
GET     api/circulation/events/                              staff    circulation:read   -         read
GET     api/loans/                                           own      circulation:read   -         read
GET     api/loans/<id:loan_id>/                              own      circulation:read   -         read
GET     api/reservations/                                    own      circulation:read   -         read
POST    api/reservations/                                    own      circulation:write  reserve   write
POST    api/reservations/fulfill/                            staff    circulation:write  -         write
GET     api/reservations/<id:reservation_id>/                own      circulation:read   -         read
POST    api/reservations/<id:reservation_id>/cancel/         own      circulation:write  reserve   write
POST    api/reservations/<id:reservation_id>/suspend/        own      circulation:write  reserve   write
POST    api/reservations/<id:reservation_id>/resume/         own      circulation:write  reserve   write
POST    api/reservations/<id:reservation_id>/reorder/        staff    circulation:write  -         write
POST    api/reservations/<id:reservation_id>/fulfill/        own      circulation:write  borrow    write
GET     api/statistics/                                      staff    circulation:read   -         read

POST    api/borrow/                                          own      circulation:write  borrow    write
POST    api/return/                                          own      circulation:write  return    write
GET     api/users/<id:member_id>/borrowed/                   own      circulation:read   -         read

PUT     api/books/borrow/                                    own      circulation:write  borrow    write
GET     api/admin/books/                                     staff    circulation:read   -         read
POST    api/admin/books/                                     staff    catalogue:write    -         write
PUT     api/admin/books/                                     staff    catalogue:write    -         write
DELETE  api/admin/books/<id:book_id>/                        staff    catalogue:write    -         write
GET     api/admin/books/borrowed/                            staff    circulation:read   -         read
GET     api/admin/books/unavailable/                         staff    circulation:read   -         read
GET     api/admin/users/                                     staff    members:read       -         read
GET     api/admin/users/borrowed-books/                      staff    circulation:read   -         read
GET     api/admin/users/<id:member_id>/borrowed-books/       staff    circulation:read   -         read

POST    api/reservations/reserve/                            own      circulation:write  reserve   write
POST    api/reservations/<id:reservation_id>/return_book/    own      circulation:write  return    write
POST    reserve/                                             own      circulation:write  reserve   write
GET     status/<id:book_id>/                                 anyone   catalogue:read     -         read
"""
# fmt: on

# Routes that are no part of the API. They answer anyone, except that the admin asks for staff itself.
ELSEWHERE = ["", "admin/", "health", "health/live", "health/ready"]


@dataclass(frozen=True)
class Rule:
    """One row."""

    who: str
    scope: str
    self_service: str | None
    rate: str


ACCESS: dict[tuple[str, str], Rule] = {
    (route, method): Rule(who, scope, None if part == "-" else part, rate)
    for method, route, who, scope, part, rate in (line.split() for line in _TABLE.split("\n")[2:] if line)
}


def rules_of(route: str, method: str) -> list[Rule]:
    """The rows for this route and method: whoever one of them lets in may come in. Without any, nobody may."""
    if method == "OPTIONS":
        return [rule for (other, _), rule in ACCESS.items() if other == route]
    rule = ACCESS.get((route, "GET" if method == "HEAD" else method))
    return [rule] if rule else []
