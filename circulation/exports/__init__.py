"""The whole library in files that other systems read, and that another Circdesk imports as it was."""
