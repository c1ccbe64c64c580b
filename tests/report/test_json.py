"""What scripts rely on: report.json round-trips, matches its published schema, and is never invalid JSON."""

import json
import os
import time
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpegrescue.model.evaluation import Evaluation
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Report
from jpegrescue.model.truth import Recipe, Truth
from jpegrescue.report.json import from_json, schema, to_json

from .samples import EVIDENCE, IMAGE, REPORT, RUN, reports

VALIDATOR = jsonschema.Draft202012Validator(schema())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(reports)
def test_every_report_survives_the_way_there_and_back_and_matches_the_schema(report: Report) -> None:
    data = to_json(report)

    assert from_json(data) == report
    VALIDATOR.validate(json.loads(data))


def test_the_bytes_are_readable_text_that_ends_in_a_line_feed() -> None:
    data = to_json(REPORT)

    assert data.endswith(b"}\n")
    assert b'\n  "run": {\n    "id": "0b5c",\n' in data
    assert "Ö. Ä.".encode() in data
    assert b"\t" not in data


def test_the_fields_of_the_contract_are_at_their_place() -> None:
    content = json.loads(to_json(REPORT))

    assert list(content) == ["run", "evidence", "images", "problems", "schema_version"]
    assert content["schema_version"] == 1
    image = content["images"][0]
    assert image["runs"] == [{"start": 512, "end": 2560}]
    assert image["resync_points"] == [
        {"bit": 8001, "byte": 1000, "mcu": 5, "skipped_bits": 17, "cause": "invalid_code"}
    ]
    assert image["outputs"][0]["path"] == "f000000000512.carved.jpg"
    assert content["evidence"]["layers"][1]["parameters"] == {"cipher": "aes-cbc-plain", "sector_size": 512}


@pytest.mark.parametrize(
    ("raw", "written"),
    [(b"du\xffmp.bin", r"du\xffmp.bin"), (b"\x80", r"\x80"), ("grün".encode(), "grün"), (b"a\\b", r"a\b")],
)
def test_paths_that_are_not_utf8_are_written_with_escapes(raw: bytes, written: str) -> None:
    report = replace(REPORT, evidence=replace(EVIDENCE, path=os.fsdecode(raw)))

    assert json.loads(to_json(report))["evidence"]["path"] == written


def test_lone_surrogates_anywhere_are_escaped_and_the_rest_is_kept() -> None:
    run = replace(RUN, case="\ud800", argv=("\udcfe",), environment=replace(RUN.environment, packages={"\udc80": "1"}))
    content = json.loads(to_json(replace(REPORT, run=run)))

    assert content["run"]["case"] == r"\ud800"
    assert content["run"]["argv"] == [r"\xfe"]
    assert content["run"]["environment"]["packages"] == {r"\x80": "1"}
    assert content["images"] == json.loads(to_json(REPORT))["images"]


def damaged_reports() -> list[bytes]:
    content = json.loads(to_json(REPORT))
    variants = [
        content | {"schema_version": 2},
        {key: value for key, value in content.items() if key != "images"},
        content | {"images": [content["images"][0] | {"grade": "perfect"}]},
        content | {"images": [content["images"][0] | {"size": "2048"}]},
    ]
    return [b"", b"{", b"[]", to_json(REPORT)[:-20], *(json.dumps(variant).encode() for variant in variants)]


@pytest.mark.parametrize("data", damaged_reports())
def test_what_is_no_report_of_version_1_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        from_json(data)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(st.from_type(Truth) | st.from_type(Evaluation))
def test_truths_and_evaluations_survive_too(value: Truth | Evaluation) -> None:
    assert from_json(to_json(value), type(value)) == value


def test_one_kind_is_not_taken_for_another() -> None:
    with pytest.raises(ValueError, match="validation error"):
        from_json(to_json(REPORT), Truth)


def test_surrogates_are_escaped_in_a_truth_too() -> None:
    recipe = Recipe("flips", 1e-5, "scan", 0, 1, None, 512, 0, 512)
    problem = Problem("input_unreadable", "error", os.fsdecode(b"\xff.jpg"))

    content = json.loads(to_json(Truth("0", "done", recipe, None, (), (problem,))))

    assert content["problems"][0]["detail"] == r"\xff.jpg"


def test_fields_of_later_versions_are_passed_over() -> None:
    content = json.loads(to_json(REPORT)) | {"novelty": 1}

    assert from_json(json.dumps(content).encode()) == REPORT


@pytest.mark.parametrize("path", [("run",), ("images", 0, "end"), ("schema_version",), ("evidence", "gaps")])
def test_the_schema_demands_every_field(path: tuple[str | int, ...]) -> None:
    content = json.loads(to_json(REPORT))
    *parents, last = path
    holder = content
    for key in parents:
        holder = holder[key]
    del holder[last]

    with pytest.raises(jsonschema.ValidationError, match=r"required property|not valid under any"):
        VALIDATOR.validate(content)


def test_the_schema_is_valid_and_describes_what_it_holds() -> None:
    generated = schema()

    jsonschema.Draft202012Validator.check_schema(generated)
    assert generated["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert generated["properties"]["schema_version"]["const"] == 1
    assert all(part.get("description") for part in (generated, *generated["$defs"].values()))


def test_twenty_thousand_images_take_less_than_a_second() -> None:
    report = replace(REPORT, images=(IMAGE,) * 20_000)
    to_json(REPORT)  # builds the serialiser

    began = time.process_time()
    to_json(report)

    assert time.process_time() - began < 1
