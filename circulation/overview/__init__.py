"""How the library is, at a glance: today's figures, which are always counted, and charts, counted once a minute."""
