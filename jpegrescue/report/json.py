r"""`report.json` and its kin: value objects as JSON, back again, and the JSON Schema of the report.

Text in them can hold what is not Unicode: a path whose bytes are not UTF-8 arrives with surrogate escapes (PEP
383). JSON cannot, so each such byte is written as the four characters `\xNN`, any other lone surrogate as `\uNNNN`, as
Python's `backslashreplace` would. Everything else survives the way there and back unchanged.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, overload

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError, core_schema

from jpegrescue.model.report import Report

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # building one takes longer than most dumps


def to_json(value: object) -> bytes:
    """The bytes of `report.json`, `truth.json`, …: UTF-8, indented by two spaces, closed by a line feed.

    `value` is the dataclass that stands for the whole file: a `Report`, `Truth` or `Evaluation`.
    """
    adapter = _adapter(type(value))
    try:
        return adapter.dump_json(value, indent=2) + b"\n"
    except PydanticSerializationError:  # lone surrogates: rare enough to pay for a second walk only then
        return adapter.dump_json(_without_surrogates(value), indent=2) + b"\n"


@overload
def from_json(data: bytes) -> Report: ...
@overload
def from_json(data: bytes, kind: type[T]) -> T: ...
def from_json(data: bytes, kind: type[Any] = Report) -> Any:
    """The value of type `kind` that `to_json` wrote.

    Raises:
        ValueError: not JSON, or no `kind` of the schema_version that it has. Fields that are not known are passed over.
    """
    return _adapter(kind).validate_json(data, strict=True)


def schema(kind: type[Any] = Report) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file that `kind` stands for; descriptions are the docstrings of the model."""
    generated = _adapter(kind).json_schema(mode="serialization", schema_generator=_Schema)
    return {"$schema": GenerateJsonSchema.schema_dialect} | generated


class _Schema(GenerateJsonSchema):
    """A report always holds every field, those with a default too."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,  # noqa: ARG002
        total: bool,  # noqa: ARG002
    ) -> bool:
        return True


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub(_escape, value)
    if isinstance(value, tuple):
        return tuple(map(_without_surrogates, value))
    if isinstance(value, Mapping):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{f.name: _without_surrogates(getattr(value, f.name)) for f in fields(value)})
    return value


def _escape(surrogate: re.Match[str]) -> str:
    code = ord(surrogate[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
