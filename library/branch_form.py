"""The form of a branch: when it closes on each day of the week, and on which days it stays closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from events.admin import ModelForm
from library.models import WEEK

# What else goes by a name that no branch may have: apps above add a function that says what has it, if anything.
names_taken: list[Callable[[str], str]] = []


class NameForm(ModelForm):
    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = self._meta.model._default_manager.exclude(pk=self.instance.pk)
        if others.filter(name__iexact=name).exists():
            raise forms.ValidationError(gettext("There is one with this name already."))
        return name


class Days(forms.CharField):
    """Days one a line, or as a range from the first to the last; a sorted list of dates."""

    widget = forms.Textarea(attrs={"rows": 6, "cols": 30})
    LONGEST: ClassVar = timedelta(days=366)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(day.isoformat() for day in value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        days: set[date] = set()
        for line in (super().to_python(value) or "").splitlines():
            if line.strip():
                days |= self._days(line.strip())
        return sorted(days)

    def _days(self, line: str) -> set[date]:
        try:
            first, *rest = map(date.fromisoformat, line.split(" to "))
            [last] = rest or [first]
        except ValueError:
            told = gettext("%(line)s is no day. Write 2026-12-25, or 2026-12-24 to 2027-01-02.")
            raise forms.ValidationError(told % {"line": repr(line)}) from None
        if not timedelta() <= last - first <= self.LONGEST:
            told = gettext("%(line)s: the last day comes after the first, at most a year later.")
            raise forms.ValidationError(told % {"line": repr(line)})
        return {first + timedelta(days=day) for day in range((last - first).days + 1)}

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


def _closing(day: Any) -> forms.TimeField:
    return forms.TimeField(label=day, required=False, help_text=_("Empty: closed."))


class BranchForm(NameForm):
    monday = _closing(_("Monday"))
    tuesday = _closing(_("Tuesday"))
    wednesday = _closing(_("Wednesday"))
    thursday = _closing(_("Thursday"))
    friday = _closing(_("Friday"))
    saturday = _closing(_("Saturday"))
    sunday = _closing(_("Sunday"))
    closed_on = Days(
        label=_("Closed on"),
        required=False,
        help_text=_("One day a line, such as 2026-12-25, or several as 2026-12-24 to 2027-01-02. Nothing is due then."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, closing in zip(WEEK, self.instance.closing_times, strict=True):
            self.initial[name] = closing

    def clean_name(self) -> str:
        name = super().clean_name()
        if taken := next(filter(None, (by(name) for by in names_taken)), ""):
            raise forms.ValidationError(taken)
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.instance.closing_times = [cleaned.get(name) for name in WEEK]
        return cleaned
