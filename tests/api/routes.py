"""Every address below /api with the methods that it serves, for tests that ask all of them alike."""

READ = {"GET", "HEAD", "OPTIONS"}
ROUTES = {
    "/api/": {"GET"},
    "/api/books/": {"GET", "POST"},
    "/api/books/{book}/": {"GET", "PUT", "PATCH", "DELETE"},
    "/api/books/{book}/availability/": {"GET"},
    "/api/books/{book}/copies/": {"GET", "POST"},
    "/api/books/{book}/queue/": {"GET"},
    "/api/copies/{barcode}/": {"GET", "PATCH"},
    "/api/copies/{barcode}/mark-lost/": {"POST"},
    "/api/copies/{barcode}/mark-missing/": {"POST"},
    "/api/copies/{barcode}/mark-found/": {"POST"},
    "/api/copies/{barcode}/mark-damaged/": {"POST"},
    "/api/copies/{barcode}/repair/": {"POST"},
    "/api/copies/{barcode}/withdraw/": {"POST"},
    "/api/members/": {"GET", "POST"},
    "/api/members/{member}/": {"GET", "PUT", "PATCH", "DELETE"},
    "/api/members/{member}/loans/": {"GET"},
    "/api/members/{member}/history/": {"GET"},
    "/api/members/{member}/reservations/": {"GET"},
    "/api/circulation/checkout/": {"POST"},
    "/api/circulation/return/": {"POST"},
    "/api/circulation/renew/": {"POST"},
    "/api/circulation/batch/": {"POST"},
    "/api/circulation/events/": {"GET"},
    "/api/loans/": {"GET"},
    "/api/loans/{loan}/": {"GET"},
    "/api/reservations/": {"GET", "POST"},
    "/api/reservations/fulfill/": {"POST"},
    "/api/reservations/{reservation}/": {"GET"},
    "/api/reservations/{reservation}/cancel/": {"POST"},
    "/api/reservations/{reservation}/suspend/": {"POST"},
    "/api/reservations/{reservation}/resume/": {"POST"},
    "/api/reservations/{reservation}/reorder/": {"POST"},
    "/api/reservations/{reservation}/fulfill/": {"POST"},
    "/api/statistics/": {"GET"},
}
PUBLIC = {"/api/", "/api/books/", "/api/books/{book}/", "/api/books/{book}/availability/"}
LISTS = [
    "/api/books/",
    "/api/books/{book}/copies/",
    "/api/members/",
    "/api/members/{member}/loans/",
    "/api/members/{member}/history/",
    "/api/members/{member}/reservations/",
    "/api/circulation/events/",
    "/api/loans/",
    "/api/reservations/",
]


def nowhere(route):
    """The route with ids of nothing."""
    return route.format(book=4711, member=4711, loan=4711, reservation=4711, barcode="4711-1")
