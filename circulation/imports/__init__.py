"""Bringing in titles, members and whole libraries from files.

A file goes through three stages, and each knows nothing of the others:

1. a format (`formats/`) turns bytes into rows, each with the number of its line. A new format is one such module and
   its line in `formats/files.py`;
2. a kind of record (`catalogue`, `people`, `whole/`; `titles` and `members` for the reservation challenge) turns rows
   into checked records and knows how to add or update them;
3. `loading` takes the records in, a batch to a transaction, and counts what became of them.

Files are read to their end before anything is written, so a broken file changes nothing. What was read waits on disk
(`formats/spool.py`), so a large file takes no more memory than a small one.
"""
