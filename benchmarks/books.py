"""A catalogue in the form of goodbooks-10k, made from a seed: no data of others is kept here."""

import csv
import random
from pathlib import Path

ROWS = 10_000
COLUMNS = [
    *("book_id", "goodreads_book_id", "best_book_id", "work_id", "books_count", "isbn", "isbn13", "authors"),
    *("original_publication_year", "original_title", "title", "language_code", "average_rating", "ratings_count"),
    *("work_ratings_count", "work_text_reviews_count", *(f"ratings_{stars}" for stars in range(1, 6))),
    *("image_url", "small_image_url"),
]
_WORDS = [
    *("the", "of", "a", "in", "night", "day", "river", "house", "stone", "glass", "winter", "summer", "last", "first"),
    *("king", "queen", "daughter", "son", "sea", "city", "lost", "secret", "garden", "fire", "snow", "wind", "blood"),
    *("bone", "paper", "letter", "train", "island", "café", "naïve", "Übung", "señor", "été", "silence", "shadow"),
]
_NAMES = "Ana Björn Chen Doris Émile Farid Grace Hana Iván Jun Karl Leïla Mona Nils Olga Pavel Quinn Rosa Søren Tove"
_LANGUAGES = ["eng"] * 7 + ["en-US", "spa", ""]


def write(path: Path, *, rows: int = ROWS, seed: int = 1) -> None:
    """Write the file, with what makes the real one awkward.

    An ISBN-10 has lost its leading zeros, an ISBN-13 stands in scientific notation, a year is a float, and each is
    missing here and there.
    """
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for number in range(1, rows + 1):
            core = f"{number * 99_991 % 10**9:09d}"  # no two alike, some with leading zeros
            isbn10 = core + _check_digit(core)
            title = " ".join(chance.choices(_WORDS, k=chance.randint(1, 7))).capitalize()
            series = f" (Series {chance.randint(1, 400)}, #{chance.randint(1, 9)})" if chance.random() < 0.4 else ""
            ratings = [chance.randint(1, 100_000) for _ in range(5)]
            image = f"https://images.example.org/books/{number}"
            out.writerow(
                [
                    *(number, number * 7, number * 7, number * 11, chance.randint(1, 3000)),
                    isbn10.lstrip("0") if chance.random() < 0.93 else "",
                    f"{float(f'978{core}0'):.11e}" if chance.random() < 0.94 else "",
                    ", ".join(_author(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))),
                    f"{chance.randint(-750, 2017)}.0" if chance.random() < 0.99 else "",
                    title if chance.random() < 0.94 else "",
                    title + series,
                    chance.choice(_LANGUAGES),
                    f"{chance.uniform(2.5, 4.8):.2f}",
                    *(sum(ratings), sum(ratings) + 500, chance.randint(3, 150_000), *ratings),
                    *(f"{image}m.jpg", f"{image}s.jpg"),
                ]
            )


def _author(chance: random.Random) -> str:
    names = _NAMES.split()
    return f"{chance.choice(names)} {chance.choice('ABCDEFGH')}. {chance.choice(names)}son"


def _check_digit(nine: str) -> str:
    """Of an ISBN-10."""
    rest = -sum((10 - place) * int(digit) for place, digit in enumerate(nine)) % 11
    return "X" if rest == 10 else str(rest)
