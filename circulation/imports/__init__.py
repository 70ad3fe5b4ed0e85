"""Bringing in titles and members from files.

A file goes through three stages, and each knows nothing of the others:

1. a format (`json_rows`, `sql_rows`) turns text into rows, each with the number of its line. A new format is one
   such module and its entry in `files.FORMATS`;
2. a kind of record (`titles`, `members`) turns rows into checked records and knows how to add or update them;
3. `loading` takes the records in, a batch to a transaction, and counts what became of them.

Files are read to their end before anything is written, so a broken file changes nothing.
"""
