from django.db import migrations, models

from events.indexes import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False  # built while others write

    dependencies = [
        ('events', '0005_audit_trail'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='event',
            index=models.Index(fields=['occurred_at', 'id'], name='event_by_time'),
        ),
        AddIndexConcurrently(
            model_name='event',
            index=models.Index(condition=models.Q(('actor_id__isnull', False)), fields=['actor_id', 'occurred_at', 'id'], name='event_of_actor'),
        ),
        AddIndexConcurrently(
            model_name='event',
            index=models.Index(condition=models.Q(('address__isnull', False)), fields=['address', 'occurred_at', 'id'], name='event_of_address'),
        ),
        AddIndexConcurrently(
            model_name='event',
            index=models.Index(condition=models.Q(('record_id__isnull', False)), fields=['record_id', 'id'], name='event_of_record'),
        ),
    ]
