"""Routes of the desk, of copies and of members, below /api/."""

from django.urls import path

from circulation.api import batch, copies, desk, loans, me, members, scanning, statistics

urlpatterns = [
    path("circulation/checkout/", desk.CheckOut.as_view()),
    path("circulation/return/", desk.Return.as_view()),
    path("circulation/renew/", desk.Renew.as_view()),
    path("circulation/scan/", scanning.Scan.as_view()),
    path("circulation/undo/", scanning.Undo.as_view()),
    path("circulation/batch/", batch.Batch.as_view()),
    path("circulation/events/", loans.EventList.as_view()),
    path("loans/", loans.LoanList.as_view()),
    path("loans/<id:loan_id>/", loans.LoanDetail.as_view()),
    path("reservations/fulfill/", desk.FulfilHead.as_view()),
    path("reservations/<id:reservation_id>/fulfill/", desk.Fulfil.as_view()),
    path("copies/<barcode:barcode>/", copies.CopyDetail.as_view()),
    path("copies/<barcode:barcode>/receive/", copies.receive),
    path("copies/<barcode:barcode>/mark-lost/", copies.mark_lost),
    path("copies/<barcode:barcode>/mark-missing/", copies.mark_missing),
    path("copies/<barcode:barcode>/mark-found/", copies.mark_found),
    path("copies/<barcode:barcode>/mark-damaged/", copies.mark_damaged),
    path("copies/<barcode:barcode>/repair/", copies.repair),
    path("copies/<barcode:barcode>/withdraw/", copies.withdraw),
    path("me/", me.Me.as_view()),
    path("me/loans/", me.MyLoans.as_view()),
    path("me/history/", me.MyHistory.as_view()),
    path("me/reservations/", me.MyReservations.as_view()),
    path("statistics/", statistics.Statistics.as_view()),
    path("members/", members.MemberList.as_view()),
    path("members/<id:member_id>/", members.MemberDetail.as_view()),
    path("members/<id:member_id>/loans/", members.MemberLoans.as_view()),
    path("members/<id:member_id>/history/", members.MemberHistory.as_view()),
]
