"""Routes of the specifications that others wrote. Each is served beside the native API."""

from django.urls import path

from integrations.contracts import partner_libraries, simple_borrowing, two_services

urlpatterns = [
    path("api/borrow/", simple_borrowing.Borrow.as_view()),
    path("api/return/", simple_borrowing.Return.as_view()),
    path("api/users/<id:member_id>/borrowed/", simple_borrowing.Borrowed.as_view()),
    path("api/books/borrow/", two_services.Borrow.as_view()),
    path("api/admin/books/", two_services.Books.as_view()),
    path("api/admin/books/<id:book_id>/", two_services.Removal.as_view()),
    path("api/admin/books/borrowed/", two_services.BorrowedBooks.as_view()),
    path("api/admin/books/unavailable/", two_services.UnavailableBooks.as_view()),
    path("api/admin/users/", two_services.Users.as_view()),
    path("api/admin/users/borrowed-books/", two_services.UsersWithBooks.as_view()),
    path("api/admin/users/<id:member_id>/borrowed-books/", two_services.BooksOfUser.as_view()),
    path("api/reservations/reserve/", partner_libraries.Reserve.as_view()),
    path("api/reservations/<id:reservation_id>/return_book/", partner_libraries.ReturnBook.as_view()),
    path("reserve/", partner_libraries.ReserveAnywhere.as_view()),
]
