"""The page on which librarians import files: chosen, rehearsed, looked at, taken in."""
