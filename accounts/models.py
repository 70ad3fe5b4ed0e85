"""Who signs in. A person who borrows is a library.Member, with or without an account."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """An account. Staff (`is_staff`) work at the desk; superusers also administer the service."""
