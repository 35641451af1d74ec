"""What every reader of statements yields while it reads."""

from reconciliation.ports import ParsedLine, ParsedStatement, Problem

Event = ParsedLine | ParsedStatement | Problem
"""The lines of a statement, then the statement itself (its own ``lines`` still empty, so that
nothing piles up), and problems as they are found. Nothing of it may be used before the reader
has come to the end of the file: damage shows where it is."""
