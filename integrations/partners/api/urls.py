"""Routes of partner libraries, some of them as others specified them."""

from django.urls import path

from integrations.partners.api import reservations, views

urlpatterns = [
    path("api/books/<id:book_id>/availability/", views.BookAvailability.as_view()),
    path("api/partner-reservations/", reservations.PartnerReservationList.as_view()),
    path("api/partner-reservations/<id:partner_reservation_id>/", reservations.PartnerReservationDetail.as_view()),
    path(
        "api/partner-reservations/<id:partner_reservation_id>/cancel/", reservations.PartnerReservationCancel.as_view()
    ),
    path("status/<id:book_id>/", views.Status.as_view()),
]
