from django.db import migrations, models

from events.indexes import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False  # built while others write

    dependencies = [
        ('circulation', '0003_jobs'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='loan',
            index=models.Index(condition=models.Q(('returned_at__isnull', False)), fields=['returned_at'], name='loan_by_return'),
        ),
    ]
