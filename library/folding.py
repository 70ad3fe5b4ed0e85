"""Text as it is looked for: in small letters, without accents and points, whichever way its characters were typed."""

import unicodedata

from django.db import models
from django.db.models import Func


class Folded(Func):
    """SQL's `circdesk_folded`, which the migrations make.

    One form of each character (NFKC); none of the marks that a word is written with in one place and without in
    another: accents, Hebrew points, Arabic vowel signs; and small letters. Vowel signs of Indic scripts stay: there
    they make another word. It may stand in generated columns, as unaccent() itself may not.
    """

    function = "circdesk_folded"
    output_field = models.TextField()


def is_left_of(text: str) -> bool:
    """Whether anything is left of a text when it is folded. Of marks alone nothing is, and all begins with that."""
    return any(not unicodedata.combining(character) for character in text if not character.isspace())
