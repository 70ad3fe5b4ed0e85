"""Templates that librarians write: names, a few filters and `{% if %}`, and nothing that could reach anything else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from django.template import Context, Engine, Library, Template, TemplateSyntaxError, defaultfilters, defaulttags
from django.template.base import FilterExpression, Lexer, NodeList, Parser, TokenType, Variable

LONGEST = 20_000  # characters
DEEPEST = 10  # conditions within conditions, which are read and filled in by recursion
LONGEST_CONDITION = 50  # words, which are read and asked by recursion, too
_BRACES = ("{{", "}}", "{%", "%}", "{#", "#}")
_FILTERS = ("capfirst", "default", "lower", "truncatechars", "upper")

_engine = Engine(loaders=[])
_vocabulary = Library()
_vocabulary.tag("if", defaulttags.do_if)
for _name in _FILTERS:
    _vocabulary.filter(_name, getattr(defaultfilters, _name))


class Unfit(Exception):
    """Why a text is no template, for people, and with the line."""


def fill(text: str, values: Mapping[str, str], *, is_html: bool) -> str:
    """The text with these values in it; in HTML they are escaped. Raises Unfit."""
    template = parse(text, tuple(sorted(values)))
    return str(template.render(Context(dict(values), autoescape=is_html, use_l10n=False, use_tz=False)))


@lru_cache(maxsize=500)
def parse(text: str, names: Collection[str]) -> Template:
    """A template in which these names may stand. Raises Unfit, which says where it does not fit."""
    if len(text) > LONGEST:
        raise Unfit(f"It is too long: {LONGEST:,} characters are possible.")
    try:
        return _Locked(text, names)
    except TemplateSyntaxError as problem:
        token = getattr(problem, "token", None)
        where = f"Line {token.lineno}: " if token is not None else ""
        raise Unfit(f"{where}{str(problem).rstrip('.')}.") from None


class _Locked(Template):
    def __init__(self, text: str, names: Collection[str]) -> None:
        self._names = names
        super().__init__(text, engine=_engine)

    def compile_nodelist(self) -> NodeList:
        tokens = Lexer(str(self.source)).tokenize()
        for token in tokens:
            if token.token_type == TokenType.TEXT and (open_ := [sign for sign in _BRACES if sign in token.contents]):
                line = token.contents[: token.contents.index(open_[0])].count("\n") + (token.lineno or 1)
                raise TemplateSyntaxError(f"{open_[0]} in line {line} belongs to nothing")
            if token.token_type == TokenType.BLOCK and len(token.split_contents()) > LONGEST_CONDITION:
                raise TemplateSyntaxError(f"the condition in line {token.lineno} is too long")
        return _Parser(tokens, self._names).parse()


class _Parser(Parser):
    def __init__(self, tokens: list[Any], names: Collection[str]) -> None:
        super().__init__(tokens, {}, [_vocabulary])
        self._names = names

    def compile_filter(self, token: str) -> FilterExpression:
        if len(self.command_stack) > DEEPEST:
            raise TemplateSyntaxError(f"conditions stand in each other {len(self.command_stack)} deep")
        expression = super().compile_filter(token)
        arguments = [argument for _, given in expression.filters for is_name, argument in given if is_name]
        for variable in (expression.var, *arguments):
            if isinstance(variable, Variable) and variable.lookups is not None:
                name = ".".join(variable.lookups)
                if name not in self._names:
                    raise TemplateSyntaxError(f"there is no “{name}” here. There is: {', '.join(self._names)}")
        return expression

    def find_filter(self, filter_name: str) -> Any:
        if filter_name not in self.filters:
            raise TemplateSyntaxError(f"there is no filter “{filter_name}” here. There is: {', '.join(_FILTERS)}")
        return super().find_filter(filter_name)

    def invalid_block_tag(self, token: Any, command: str, parse_until: Any = None) -> NoReturn:
        raise self.error(token, f"“{command}” cannot stand here. There is: if, elif, else, endif")

    def unclosed_block_tag(self, parse_until: Any) -> NoReturn:
        command, token = self.command_stack.pop()
        raise self.error(token, f"this “{command}” has no “end{command}”")
