"""Tables, views and macros as data: their columns, and the comments that analysts read in the catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table.

    Attributes:
        name: In lower snake case, plural.
        comment: One sentence.
        columns: Name, type with constraints, comment.
        indexes: Further columns that are looked up alone; DuckDB uses an index for one condition on one column only.
        constraints: Of several columns.
    """

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]
    indexes: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    def statements(self) -> list[str]:
        """The SQL that creates the table and its comments."""
        body = [*(f"{name} {kind}" for name, kind, _ in self.columns), *self.constraints]
        comments = [comment_on("COLUMN", f"{self.name}.{name}", text) for name, _, text in self.columns]
        return [
            f"CREATE TABLE {self.name} ({', '.join(body)})",
            comment_on("TABLE", self.name, self.comment),
            *comments,
            *[f"CREATE INDEX {self.name}_{column} ON {self.name} ({column})" for column in self.indexes],
        ]


@dataclass(frozen=True, slots=True)
class SqlView:
    """A documented view."""

    name: str
    comment: str
    columns: dict[str, str]
    sql: str

    def statements(self) -> list[str]:
        """The SQL that creates the view and its comments."""
        comments = [comment_on("COLUMN", f"{self.name}.{name}", text) for name, text in self.columns.items()]
        return [
            f"CREATE OR REPLACE VIEW {self.name} AS {self.sql}",
            comment_on("VIEW", self.name, self.comment),
            *comments,
        ]


@dataclass(frozen=True, slots=True)
class SqlMacro:
    """A documented table macro.

    Attributes:
        parameters: Name, default in SQL (empty for one that must be given), what it means.
        columns: Of the rows that it gives.
    """

    name: str
    comment: str
    parameters: tuple[tuple[str, str, str], ...]
    columns: dict[str, str]
    sql: str

    def signature(self) -> str:
        """How it is called, with the defaults."""
        given = ", ".join(f"{name} := {default}" if default else name for name, default, _ in self.parameters)
        return f"{self.name}({given})"

    def statements(self) -> list[str]:
        """The SQL that creates the macro and its comment."""
        return [
            f"CREATE OR REPLACE MACRO {self.signature()} AS TABLE {self.sql}",
            comment_on("MACRO TABLE", self.name, self.comment),
        ]


def comment_on(what: str, name: str, text: str) -> str:
    """The SQL that puts a comment into the catalogue."""
    quoted = text.replace("'", "''")
    return f"COMMENT ON {what} {name} IS '{quoted}'"
