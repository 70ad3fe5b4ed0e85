"""ISBNs, as people write them and as we keep them."""

from stdnum import isbn
from stdnum.exceptions import ValidationError


def normalised(text: str) -> str:
    """Thirteen digits for an ISBN-10 or ISBN-13 with or without hyphens. Raises ValueError if it is neither."""
    try:
        return str(isbn.to_isbn13(isbn.validate(text))).replace("-", "").replace(" ", "")
    except ValidationError as error:
        raise ValueError(f"{text} is not an ISBN: its length or check digit is wrong.") from error
