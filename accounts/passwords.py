"""Which passwords will do: what AUTH_PASSWORD_VALIDATORS say."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.exceptions import PasswordRefused
from accounts.models import User


def require_acceptable(password: str, user: User, *, field: str) -> None:
    """Raise PasswordRefused, with every reason, for a password that this account may not have."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        reasons = [(str(reason.code), message) for reason in error.error_list for message in reason.messages]
        raise PasswordRefused(field, reasons) from None
