"""A whole library: titles, copies, members, what is lent and who waits."""
