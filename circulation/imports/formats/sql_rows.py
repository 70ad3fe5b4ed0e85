"""Rows from SQL: the values of INSERT statements, read with a parser and never executed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TextIO

from sqlglot import ErrorLevel, ParseError, Token, TokenError, TokenType, exp
from sqlglot.dialects import Dialect

from circulation.imports.formats.rows import (
    ENOUGH_DIGITS,
    FileError,
    Item,
    Items,
    Note,
    Refused,
    Row,
    RowError,
    counted,
)
from circulation.imports.formats.source import Source
from circulation.imports.formats.spool import Spool
from circulation.imports.formats.sql_words import IGNORED

# The first that reads the whole file is taken: "names" first, then `names` and \' , then [names].
DIALECTS = ("postgres", "mysql", "tsql")

# Of the others, those that pg_dump and mysqldump write.
_IN_DUMPS = re.compile(r"DROP TABLE IF EXISTS|SELECT pg_catalog \. (set_config|setval) ", re.IGNORECASE)

# A file is read in pieces of about so many characters, which end where a statement ends.
_PIECE = 200_000
_END_OF_STATEMENT = re.compile(r";[ \t]*\r?\n")
_LONGEST_STATEMENT = 4_000_000  # characters, which take a hundred times as many bytes while they are read

# It warns of statements that it does not know in full. We tell of every statement that is left out.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_PARTS_OF_INSERT = {"this", "expression", "conflict", "ignore"}


def rows(source: Source) -> Items:
    """Each row of VALUES with the line of its opening parenthesis. Other statements are noted or refused.

    Column names may be left out where a CREATE TABLE earlier in the file gives them. Raises FileError.
    """
    problems: list[FileError] = []
    for dialect in DIALECTS:
        with Spool() as read, source.text() as text:
            try:
                for item in _File(text, dialect).items():
                    read.add(item)
            except FileError as problem:
                problems.append(problem)
            else:
                yield from read
                return
    raise problems[0]


class _File:
    def __init__(self, text: TextIO, dialect: str) -> None:
        self._text = text
        self._dialect = Dialect.get_or_raise(dialect)
        self._line = 1  # where the piece begins
        self._rest = ""  # read, but not part of a piece yet
        self._piece = ""
        self._columns: dict[str, list[str]] = {}  # of the tables that the file creates

    def items(self) -> Items:
        while tokens := self._read_piece():
            statement: list[tuple[int, Token]] = []
            for line, token in tokens:
                if token.token_type != TokenType.SEMICOLON:
                    statement.append((line, token))
                elif statement:
                    yield from self._statement(statement)
                    statement = []
            if statement:
                yield from self._statement(statement)
            self._line += self._piece.count("\n")

    def _read_piece(self) -> list[tuple[int, Token]]:
        """The tokens of the next statements with their lines; none at the end.

        What looks like the end of a statement may stand inside a text or a comment. Then the piece ends before
        that does, which the tokenizer notices, and a longer one is tried.
        """
        size = _PIECE
        while True:
            ended = self._read_until(size)
            ends = None if ended and len(self._rest) <= size else _END_OF_STATEMENT.search(self._rest, size)
            if ends is None and not ended:
                size = len(self._rest)
                continue
            self._piece = self._rest[: ends.end()] if ends else self._rest
            try:
                tokens = self._dialect.tokenize(self._piece)
            except TokenError as error:
                if ends is None:
                    raise FileError(
                        f"cannot be read as SQL: after line {self._line} a text or comment is not closed. "
                        "Is the file complete?"
                    ) from error
                size *= 4
                continue
            self._rest = self._rest[len(self._piece) :]
            if tokens or not self._rest:
                return _with_lines(self._piece, self._line, tokens)
            self._line += self._piece.count("\n")  # nothing but comments

    def _read_until(self, size: int) -> bool:
        """Have more than so many characters at hand. Returns whether that is the rest of the file."""
        while len(self._rest) < 2 * size:
            if size > _LONGEST_STATEMENT:
                raise FileError(
                    f"has a statement of more than {_LONGEST_STATEMENT:,} characters after line {self._line}. "
                    "Dump it with fewer rows in each INSERT."
                )
            more = self._text.read(2 * size)
            if not more:
                return True
            self._rest += more
        return False

    def _statement(self, statement: list[tuple[int, Token]]) -> Iterator[Item]:
        line, first = statement[0]
        word = first.text.upper().split()[0]
        if first.token_type == TokenType.INSERT:
            yield from self._insert(statement)
        elif any(token.token_type == TokenType.INSERT for _, token in statement):
            yield Refused(line, f"There is an INSERT within this {word} statement. Is a semicolon missing?")
        elif IGNORED.fullmatch(word) or _IN_DUMPS.match(" ".join(token.text for _, token in statement[:8])):
            if word == "CREATE":
                self._learn_columns(statement)
            yield Note(line, f"{word} is not run here: left out.")
        else:
            yield Refused(line, f"{word} is never run here. Only INSERT INTO ... VALUES is read.")

    def _insert(self, statement: list[tuple[int, Token]]) -> Iterator[Item]:
        line = statement[0][0]
        insert = self._parse(statement)
        if not isinstance(insert, exp.Insert) or not isinstance(insert.this, exp.Table | exp.Schema):
            yield Refused(line, "This INSERT is not of the form INSERT INTO table (columns) VALUES (...).")
            return
        values = insert.expression
        starts = _starts_of_rows(statement)
        if not _is_plain(insert) or len(starts) != len(values.expressions):
            yield Refused(line, "Only INSERT INTO table (columns) VALUES (...), (...) is read, with nothing after it.")
            return
        table = insert.this.find(exp.Table)
        name = table.name.lower() if table else ""
        columns = [column.name for column in insert.this.expressions] if isinstance(insert.this, exp.Schema) else None
        columns = columns or self._columns.get(name)
        for line, row in zip(starts, values.expressions, strict=True):
            yield _row(line, name, columns, row.expressions if isinstance(row, exp.Tuple) else [row])

    def _learn_columns(self, statement: list[tuple[int, Token]]) -> None:
        try:
            create = self._parse(statement)
        except FileError:
            return  # it is left out anyway
        if isinstance(create, exp.Create) and isinstance(create.this, exp.Schema):
            columns = [part.name for part in create.this.expressions if isinstance(part, exp.ColumnDef)]
            self._columns[create.this.this.name.lower()] = columns

    def _parse(self, statement: list[tuple[int, Token]]) -> object:
        parser = self._dialect.parser(error_level=ErrorLevel.IMMEDIATE)
        try:
            (parsed,) = parser.parse([token for _, token in statement], self._piece)
        except RecursionError as error:
            raise FileError(f"is nested too deeply in line {statement[0][0]}.") from error
        except ParseError as error:
            line = statement[0][0]
            raise FileError(f"cannot be read as SQL in the statement that begins in line {line}.") from error
        return parsed


def _with_lines(piece: str, first: int, tokens: list[Token]) -> list[tuple[int, Token]]:
    """Each token with its line. The tokenizer's own count goes by other line breaks too."""
    numbered: list[tuple[int, Token]] = []
    line, position = first, 0
    for token in tokens:
        line += piece.count("\n", position, token.start)
        position = token.start
        numbered.append((line, token))
    return numbered


def _starts_of_rows(statement: list[tuple[int, Token]]) -> list[int]:
    """The lines on which the rows after VALUES begin. The parser keeps no positions, the tokens do."""
    lines: list[int] = []
    depth, after_values = 0, False
    for line, token in statement:
        if token.token_type == TokenType.L_PAREN:
            if after_values and depth == 0:
                lines.append(line)
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.VALUES and depth == 0:
            after_values = True
    return lines


def _is_plain(insert: exp.Insert) -> bool:
    """Whether an INSERT asks for its rows and for nothing else. The parser lets some mistakes pass as aliases."""
    values, conflict = insert.expression, insert.args.get("conflict")
    return (
        isinstance(values, exp.Values)
        and not values.args.get("alias")
        and {name for name, value in insert.args.items() if value} <= _PARTS_OF_INSERT
        and (conflict is None or conflict.args["action"].name == "DO NOTHING")
    )


def _row(line: int, table: str, columns: list[str] | None, values: list[exp.Expression]) -> Row | Refused:
    if columns is None:
        return Refused(line, f"Name the columns: INSERT INTO {table} (...) VALUES (...).", table)
    if len(values) != len(columns):
        return Refused(line, f"{counted(len(values), 'value')} for {counted(len(columns), 'column')}.", table)
    try:
        return Row(line, tuple(zip(columns, map(_value, values), strict=True)), table)
    except RowError as problem:
        return Refused(line, str(problem), table)


def _value(node: exp.Expression) -> Any:
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return -_number(node.this.name)
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else _number(node.name)
    if isinstance(node, exp.National | exp.RawString):
        return node.name
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Boolean):
        return node.this
    raise RowError(f"{node.sql()[:60]} is not a plain number or text.")


def _number(digits: str) -> int | Decimal:
    return int(digits[:ENOUGH_DIGITS]) if digits.isdecimal() else Decimal(digits)
