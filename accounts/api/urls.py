"""Routes of accounts and keys, below /api/."""

from django.urls import path

from accounts.api import keys, tokens

urlpatterns = [
    path("token/", tokens.SignIn.as_view()),
    path("token/refresh/", tokens.Refresh.as_view()),
    path("token/verify/", tokens.Verify.as_view()),
    path("token/blacklist/", tokens.Blacklist.as_view()),
    path("me/password/", tokens.Password.as_view()),
    path("keys/", keys.KeyList.as_view()),
    path("keys/<id:key_id>/", keys.KeyDetail.as_view()),
]
