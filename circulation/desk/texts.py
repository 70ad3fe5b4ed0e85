"""What the desk's scripts say, in the language of the page. `%(name)s` is filled in by them."""

from __future__ import annotations

from django.utils.translation import gettext as _


def texts() -> dict[str, str]:
    """Each sentence under the name by which the scripts know it."""
    return _results() | _offers() | _turn() | _connection()


def _results() -> dict[str, str]:
    return {
        "waiting": _("One moment"),
        "queued": _("Waiting to be sent"),
        "queuedHint": _("The service cannot be reached. This is kept in the browser and sent as soon as it is back."),
        "lent": _("Lent"),
        "returned": _("Returned"),
        "hold": _("Hold shelf"),
        "transit": _("Send to %(branch)s"),
        "handOver": _("Hand it over"),
        "shelve": _("Back to its shelf"),
        "look": _("Look here"),
        "already": _("Has it already"),
        "member": _("Card"),
        "ended": _("Turn ended"),
        "refused": _("Refused"),
        "unknown": _("Unknown code"),
        "failed": _("Not done"),
        "failedHint": _("Something went wrong in the service, and nothing was done. Scan it again."),
        "undone": _("Undone"),
        "renewed": _("Renewed"),
        "scannedBy": _("scanned by %(name)s at %(time)s"),
        "scannedAt": _("scanned at %(time)s"),
    }


def _offers() -> dict[str, str]:
    return {
        "undo": _("Undo"),
        "renew": _("Renew"),
        "takeBack": _("Return"),
        "lend": _("Lend"),
        "seen": _("Seen"),
        "override": _("Do it anyway"),
        "drop": _("Leave it"),
        "reason": _("Why is it done anyway?"),
        "reasonNeeded": _("Write a reason first."),
        "notOverridable": _("This cannot be overridden."),
        "notReached": _("The service cannot be reached. Nothing was changed; try again in a moment."),
        "nothingToUndo": _("There is nothing to undo."),
    }


def _turn() -> dict[str, str]:
    return {
        "nobody": _("Nobody’s card"),
        "nobodyHint": _("Scan a card to lend. Without a card, what is scanned comes back."),
        "turnUnknown": _("The card at the desk is known when the service is back. Esc ends the turn all the same."),
        "cardNumber": _("Card %(number)s"),
        "blocked": _("Blocked: %(reason)s"),
        "expired": _("The membership ended on %(date)s."),
        "openLoans": _("On loan"),
        "overdue": _("Overdue"),
        "toCollect": _("Waiting to be collected"),
        "end": _("End the turn"),
        "stillTheirs": _("Is it still the turn of %(name)s?"),
        "yes": _("Yes"),
        "endedByItself": _("The turn ended by itself after a while without a scan."),
        "endedByCard": _("The card was read again: the turn is over."),
    }


def _connection() -> dict[str, str]:
    return {
        "away": _("The service cannot be reached. Go on scanning, and leave this page open: %(count)s waiting."),
        "signedOut": _("You are signed out. Nothing is lost: %(count)s waiting. Sign in to go on."),
        "back": _("The service is back. Everything was sent."),
        "sending": _("Sending what was scanned meanwhile: %(count)s waiting."),
        "unsafe": _("This browser keeps nothing for this page, so scans would be lost if it were closed."),
        "soundOn": _("Sound is on"),
        "soundOff": _("Sound is off"),
    }
