"""Splits a file of SQL into its statements."""

import re

# A statement is made of comments, quoted names and texts, and everything else up to the next semicolon.
_PIECES = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` )
    | (?P<end> ; )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def split_statements(sql: str) -> list[str]:
    """The statements of a file, in order, without comments and final semicolons."""
    statements = [""]
    for piece in _PIECES.finditer(sql):
        if piece.lastgroup == "end":
            statements.append("")
        elif piece.lastgroup != "comment":
            statements[-1] += piece.group()
    return [statement.strip() for statement in statements if statement.strip()]
