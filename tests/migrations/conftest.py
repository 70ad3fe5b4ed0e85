from tests.migrations.late import late

__all__ = ["late"]
