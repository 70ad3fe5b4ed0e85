"""Tells the planner that an e-mail address is rare.

The index of addresses leaves out those who have none, so its statistics are not used where a search asks for an address
or something else: one member in 200 was expected, and from 100,000 members on all were read in their order.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("library", "0004_branches_and_transit")]

    operations = [
        migrations.RunSQL(
            # Only where there are members: a table that was once seen empty is planned for as if it stayed so.
            """
            CREATE STATISTICS member_email ON (lower(email)) FROM library_member;
            DO $$ BEGIN
                IF EXISTS (SELECT FROM library_member) THEN ANALYZE library_member; END IF;
            END $$;
            """,
            "DROP STATISTICS member_email",
        ),
    ]
