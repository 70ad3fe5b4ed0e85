from django.apps import AppConfig
from django.conf import settings


class StoresConfig(AppConfig):
    name = "integrations.stores"

    def ready(self) -> None:
        if settings.SERVICE == "all":
            return
        from events.consuming import Group, groups
        from events.relay import Outlet, outlets
        from events.stream import Stream
        from integrations.stores import receiving, sending, snapshots

        outlets.append(Outlet(Stream("rows"), sending.messages, tend=snapshots.serve))
        rows = Stream("rows", service="admin" if settings.SERVICE == "public" else "public", is_private=True)
        groups.append(
            Group(
                "store",
                rows,
                receiving.handle,
                missed=snapshots.want,
                meanwhile=snapshots.receive,
                batch=receiving.BATCH,
            )
        )
