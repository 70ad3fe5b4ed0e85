"""Routes of the catalogue and of the line, below /api/."""

from django.urls import path

from reservations.api import books, views

urlpatterns = [
    path("books/", books.BookList.as_view()),
    path("books/<id:book_id>/", books.BookDetail.as_view()),
    path("books/<id:book_id>/copies/", books.BookCopies.as_view()),
    path("books/<id:book_id>/queue/", views.Queue.as_view()),
    path("members/<id:member_id>/reservations/", views.MemberReservations.as_view()),
    path("reservations/", views.ReservationList.as_view()),
    path("reservations/<id:reservation_id>/", views.ReservationDetail.as_view()),
    path("reservations/<id:reservation_id>/cancel/", views.Cancel.as_view()),
    path("reservations/<id:reservation_id>/suspend/", views.Suspend.as_view()),
    path("reservations/<id:reservation_id>/resume/", views.Resume.as_view()),
    path("reservations/<id:reservation_id>/reorder/", views.Reorder.as_view()),
]
