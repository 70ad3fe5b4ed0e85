"""Who owns, and who may enter, the directories and files of the private servers."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Account:
    """The system account that the servers run as when we are root: PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    name: str

    def may(self, permission: int, path: Path) -> bool:
        """Whether the mode of this one file grants `permission`: 4 read, 2 write, 1 execute or enter."""
        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return (status.st_mode >> shift) & permission == permission

    def may_enter(self, directory: Path) -> bool:
        """Whether it and all directories on the way are open; those that do not exist yet are."""
        return all(self.may(1, step) for step in (directory, *directory.parents) if step.exists())


@dataclass(frozen=True)
class Home:
    """Where servers live, and who they run as: `account` is None where we are an ordinary user."""

    directory: Path  # data and logs
    sockets: Path
    account: Account | None = None

    def make(self) -> None:
        make_directory(self.directory, mode=0o711 if self.account else 0o700)
        make_directory(self.sockets, owner=self.account)

    def as_account(self) -> dict[str, Any]:
        """What subprocess needs to run something as the account of the servers."""
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}


def fit_for_a_shell(path: Path) -> bool:
    """Whether PostgreSQL's tools can use the path: they put it between double quotes in a shell's command."""
    return not set(str(path)) & set('"$`\\\n')


def make_directory(path: Path, *, mode: int = 0o700, owner: Account | None = None) -> None:
    """Makes a directory and its parents. Only what is made here gets a mode and an owner."""
    if not path.parent.exists():
        make_directory(path.parent, mode=mode)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    if owner is None:
        hand_over(path)
    else:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)


def open_private(path: Path, flags: int) -> int:
    """Opens a file, made with mode 600 where it does not exist. No child process inherits it."""
    made = not path.exists()
    fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if made:
        hand_over(path)
    return fd


def hand_over(path: Path) -> None:
    """What root adds to somebody's checkout is given to that person, who can then go on without root."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
