"""Who may do what. Whether a caller is let in, this table decides, and nothing else.

What is done for those who are in also depends on who they are, and the endpoints see to it. Overriding a rule,
rehearsing an enrolment, who has a copy, and who is next in line for a returned one, are for staff. People see and
revoke their own API keys, admins everybody's; and nobody gives a key more than they may do themselves. An API key sees
the webhooks that it made, an admin everybody's. Jobs are seen and cancelled by whoever asked for them, and by admins.

`who`     the least that one must be. Each role may do what those before may.
          anyone     without signing in
          own        members, for themselves: everybody else's data does not exist for them. Staff, for everybody.
          account    whoever has signed in
          staff      librarians, and admins
          named      staff who have signed in: not whoever comes to an open desk
          admin      admins
`scope`   what an API key must be good for; `any` key, or `no` key at all. Who signed in needs none. Of two scopes one
          will do to come in; what is asked for then decides which.
`as`      of a member's own rows, the part of SELF_SERVICE that must be on; of others, nothing.
`rate`    which of the caller's allowances it counts against, see THROTTLE_RATES.
`service` which of two services has it, where there are two.

HEAD goes with GET. OPTIONS is for whoever may use any method of the route, and counts as a read.
"""

from __future__ import annotations

from dataclasses import dataclass

# fmt: off
_TABLE = """
method  route                                                who      scope              as        rate     service

GET     api/                                                 anyone   any                -         read     both
GET     api/schema/                                          anyone   any                -         read     both
GET     api/docs/                                            anyone   any                -         read     both
GET     api/redoc/                                           anyone   any                -         read     both

POST    api/register/                                        anyone   no                 register  account  public
POST    api/users/                                           anyone   members:write      register  account  public
POST    api/token/                                           anyone   no                 -         account  both
POST    api/token/refresh/                                   anyone   no                 -         account  both
POST    api/token/verify/                                    anyone   no                 -         account  both
POST    api/token/blacklist/                                 anyone   no                 -         account  both
GET     api/me/                                              account  any                -         read     public
GET     api/me/loans/                                        account  no                 -         read     public
GET     api/me/history/                                      account  no                 -         read     public
GET     api/me/reservations/                                 account  no                 -         read     public
GET     api/me/notices/                                      account  no                 -         read     public
PATCH   api/me/notices/                                      account  no                 -         write    public
POST    api/me/password/                                     account  no                 -         account  both
GET     api/keys/                                            named    admin              -         read     both
POST    api/keys/                                            named    no                 -         account  both
GET     api/keys/<id:key_id>/                                named    admin              -         read     both
DELETE  api/keys/<id:key_id>/                                named    admin              -         write    both

GET     api/books/                                           anyone   catalogue:read     -         read     both
POST    api/books/                                           staff    catalogue:write    -         write    admin
GET     api/books/<id:book_id>/                              anyone   catalogue:read     -         read     both
PUT     api/books/<id:book_id>/                              staff    catalogue:write    -         write    admin
PATCH   api/books/<id:book_id>/                              staff    catalogue:write    -         write    admin
DELETE  api/books/<id:book_id>/                              staff    catalogue:write    -         write    admin
GET     api/books/<id:book_id>/availability/                 anyone   catalogue:read     -         read     both
GET     api/books/<id:book_id>/availability/stream/          anyone   catalogue:read     -         read     both
GET     api/books/<id:book_id>/copies/                       anyone   catalogue:read     -         read     both
POST    api/books/<id:book_id>/copies/                       staff    catalogue:write    -         write    admin
GET     api/books/<id:book_id>/queue/                        staff    circulation:read   -         read     public
GET     api/copies/<barcode:barcode>/                        anyone   catalogue:read     -         read     both
PATCH   api/copies/<barcode:barcode>/                        staff    catalogue:write    -         write    admin
POST    api/copies/<barcode:barcode>/receive/                staff    circulation:write  -         write    public
POST    api/copies/<barcode:barcode>/mark-lost/              staff    circulation:write  -         write    public
POST    api/copies/<barcode:barcode>/mark-missing/           staff    circulation:write  -         write    public
POST    api/copies/<barcode:barcode>/mark-found/             staff    circulation:write  -         write    public
POST    api/copies/<barcode:barcode>/mark-damaged/           staff    circulation:write  -         write    public
POST    api/copies/<barcode:barcode>/repair/                 staff    circulation:write  -         write    public
POST    api/copies/<barcode:barcode>/withdraw/               staff    catalogue:write    -         write    public

GET     api/branches/                                        anyone   catalogue:read     -         read     both

GET     api/members/                                         staff    members:read       -         read     public
POST    api/members/                                         staff    members:write      -         write    public
GET     api/members/<id:member_id>/                          own      members:read       -         read     public
PUT     api/members/<id:member_id>/                          staff    members:write      -         write    public
PATCH   api/members/<id:member_id>/                          staff    members:write      -         write    public
DELETE  api/members/<id:member_id>/                          staff    members:write      -         write    public
GET     api/members/<id:member_id>/loans/                    own      circulation:read   -         read     public
GET     api/members/<id:member_id>/history/                  own      circulation:read   -         read     public
GET     api/members/<id:member_id>/reservations/             own      circulation:read   -         read     public
GET     api/members/<id:member_id>/notices/                  own      members:read       -         read     public
PATCH   api/members/<id:member_id>/notices/                  own      members:write      -         write    public

POST    api/circulation/checkout/                            own      circulation:write  borrow    write    public
POST    api/circulation/return/                              own      circulation:write  return    write    public
POST    api/circulation/renew/                               own      circulation:write  renew     write    public
POST    api/circulation/scan/                                staff    circulation:write  -         write    public
POST    api/circulation/undo/                                staff    circulation:write  -         write    public
POST    api/circulation/batch/                               staff    circulation:write  -         write    public
GET     api/circulation/events/                              staff    circulation:read   -         read     public
GET     api/loans/                                           own      circulation:read   -         read     public
GET     api/loans/<id:loan_id>/                              own      circulation:read   -         read     public
GET     api/reservations/                                    own      circulation:read   -         read     public
POST    api/reservations/                                    own      circulation:write  reserve   write    public
POST    api/reservations/fulfill/                            staff    circulation:write  -         write    public
GET     api/reservations/<id:reservation_id>/                own      circulation:read   -         read     public
POST    api/reservations/<id:reservation_id>/cancel/         own      circulation:write  reserve   write    public
POST    api/reservations/<id:reservation_id>/suspend/        own      circulation:write  reserve   write    public
POST    api/reservations/<id:reservation_id>/resume/         own      circulation:write  reserve   write    public
POST    api/reservations/<id:reservation_id>/reorder/        staff    circulation:write  -         write    public
POST    api/reservations/<id:reservation_id>/fulfill/        own      circulation:write  borrow    write    public
GET     api/statistics/                                      staff    circulation:read   -         read     public

POST    api/imports/                                         staff    catalogue:write,members:write - write both
POST    api/exports/                                         admin    admin              -         write    both
POST    api/anonymisations/                                  admin    admin              -         write    public
GET     api/jobs/                                            staff    any                -         read     both
GET     api/jobs/<id:job_id>/                                staff    any                -         read     both
POST    api/jobs/<id:job_id>/cancel/                         staff    any                -         write    both
GET     api/jobs/<id:job_id>/result/                         staff    any                -         read     both
GET     api/jobs/<id:job_id>/errors/                         staff    any                -         read     both

GET     api/webhooks/                                        admin    circulation:read   -         read     both
POST    api/webhooks/                                        admin    circulation:read   -         write    both
GET     api/webhooks/<id:webhook_id>/                        admin    circulation:read   -         read     both
PATCH   api/webhooks/<id:webhook_id>/                        admin    circulation:read   -         write    both
DELETE  api/webhooks/<id:webhook_id>/                        admin    circulation:read   -         write    both
POST    api/webhooks/<id:webhook_id>/test/                   admin    circulation:read   -         write    both
POST    api/webhooks/<id:webhook_id>/rotate-secret/          admin    circulation:read   -         write    both
GET     api/webhooks/<id:webhook_id>/deliveries/             admin    circulation:read   -         read     both

POST    api/borrow/                                          own      circulation:write  borrow    write    public
POST    api/return/                                          own      circulation:write  return    write    public
GET     api/users/<id:member_id>/borrowed/                   own      circulation:read   -         read     public

PUT     api/books/borrow/                                    own      circulation:write  borrow    write    public
GET     api/admin/books/                                     staff    circulation:read   -         read     admin
POST    api/admin/books/                                     staff    catalogue:write    -         write    admin
PUT     api/admin/books/                                     staff    catalogue:write    -         write    admin
DELETE  api/admin/books/<id:book_id>/                        staff    catalogue:write    -         write    admin
GET     api/admin/books/borrowed/                            staff    circulation:read   -         read     admin
GET     api/admin/books/unavailable/                         staff    circulation:read   -         read     admin
GET     api/admin/users/                                     staff    members:read       -         read     admin
GET     api/admin/users/borrowed-books/                      staff    circulation:read   -         read     admin
GET     api/admin/users/<id:member_id>/borrowed-books/       staff    circulation:read   -         read     admin

POST    api/reservations/reserve/                            own      circulation:write  reserve   write    public
POST    api/reservations/<id:reservation_id>/return_book/    own      circulation:write  return    write    public
POST    reserve/                                             own      circulation:write  reserve   write    public
GET     api/partner-reservations/                            own      circulation:read   -         read     public
GET     api/partner-reservations/<id:partner_reservation_id>/ own      circulation:read   -         read     public
POST    api/partner-reservations/<id:partner_reservation_id>/cancel/ own circulation:write reserve   write    public
GET     status/<id:book_id>/                                 anyone   catalogue:read     -         read     public

GET     daia/                                                anyone   catalogue:read     -         read     public
"""
# fmt: on

# Routes that are no part of the API. They answer anyone, except that the admin asks for staff itself.
ELSEWHERE = ["", "admin/", "health", "health/live", "health/ready", "metrics"]


@dataclass(frozen=True)
class Rule:
    """One row."""

    who: str
    scope: str
    self_service: str | None
    rate: str
    service: str

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of which an API key needs one."""
        return () if self.scope in ("any", "no") else tuple(self.scope.split(","))


ACCESS: dict[tuple[str, str], Rule] = {
    (route, method): Rule(who, scope, None if part == "-" else part, rate, service)
    for method, route, who, scope, part, rate, service in (line.split() for line in _TABLE.split("\n")[2:] if line)
}


def rules_of(route: str, method: str) -> list[Rule]:
    """The rows for this route and method: whoever one of them lets in may come in. Without any, nobody may."""
    if method == "OPTIONS":
        return [rule for (other, _), rule in ACCESS.items() if other == route]
    rule = ACCESS.get((route, "GET" if method == "HEAD" else method))
    return [rule] if rule else []
