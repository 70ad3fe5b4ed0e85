"""The theme's widgets, for form fields that are declared with Django's own."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from django import forms
from unfold import widgets

THEMED: dict[type[forms.Widget], Any] = {
    forms.TextInput: widgets.UnfoldAdminTextInputWidget,
    forms.NumberInput: widgets.UnfoldAdminIntegerFieldWidget,
    forms.EmailInput: widgets.UnfoldAdminEmailInputWidget,
    forms.URLInput: widgets.UnfoldAdminURLInputWidget,
    forms.PasswordInput: widgets.UnfoldAdminPasswordWidget,
    forms.Textarea: widgets.UnfoldAdminTextareaWidget,
    forms.CheckboxInput: widgets.UnfoldBooleanWidget,
    forms.Select: widgets.UnfoldAdminSelectWidget,
    forms.SelectMultiple: widgets.UnfoldAdminSelectMultipleWidget,
    forms.CheckboxSelectMultiple: widgets.UnfoldAdminCheckboxSelectMultipleWidget,
    forms.TimeInput: widgets.UnfoldAdminSingleTimeWidget,
}


def themed(field: forms.Field) -> forms.Field:
    """The same field, as the theme draws it. What has a widget of its own already keeps it."""
    plain = field.widget
    if (kind := THEMED.get(type(plain))) is None:
        return field
    dressed = deepcopy(field)
    widget = kind(attrs=dict(plain.attrs))
    widget.is_required, widget.is_localized = plain.is_required, plain.is_localized
    dressed.widget = widget
    if isinstance(field, forms.ChoiceField):
        widget.choices = dressed.choices = field.choices  # type: ignore[attr-defined]
    return dressed
