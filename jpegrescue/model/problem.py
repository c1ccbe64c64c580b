"""Damage as data."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a reader of the report should know.

    `kind` is a stable snake_case word for scripts, `detail` a sentence for people, `offset` a byte address: in the
    evidence for problems of a run, in the file for problems of an image.
    """

    kind: str
    severity: Severity
    detail: str
    offset: int | None = None
