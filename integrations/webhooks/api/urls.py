"""Routes of webhooks, below /api/."""

from django.urls import path

from integrations.webhooks.api import views

urlpatterns = [
    path("webhooks/", views.WebhookList.as_view()),
    path("webhooks/<id:webhook_id>/", views.WebhookDetail.as_view()),
    path("webhooks/<id:webhook_id>/test/", views.WebhookTest.as_view()),
    path("webhooks/<id:webhook_id>/rotate-secret/", views.WebhookSecret.as_view()),
    path("webhooks/<id:webhook_id>/deliveries/", views.DeliveryList.as_view()),
]
