"""Reports to write: one of each kind of field, and strategies for all others."""

from dataclasses import replace

from hypothesis import strategies as st

from jpegrescue.model.align import RowShift, ScaRecord, ScaSegment
from jpegrescue.model.decode import ResyncPoint, Segment
from jpegrescue.model.evidence import ByteRange, Evidence, Gap, Hashes, Layer
from jpegrescue.model.fill import ComponentFill, FillGate, ThumbnailModel
from jpegrescue.model.jpeg import Thumbnail
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Environment, FillRecord, Image, OutputFile, Report, Run
from jpegrescue.model.thumbnail import ThumbnailMatch

RUN = Run(
    id="0b5c",
    command="carve",
    version="0.1.0",
    argv=("jpegrescue", "carve", "dump.bin", "--key", "***"),
    case="7/26",
    exhibit=None,
    examiner="Ö. Ä.",
    started="2026-01-02T03:04:05Z",
    finished="2026-01-02T03:04:06Z",
    seconds=1.25,
    state="done",
    environment=Environment("3.11.7", "Linux", "some processor", 2, {"numpy": "2.0.0"}),
)
EVIDENCE = Evidence(
    path="dump.bin",
    size=4096,
    hashes=Hashes("a" * 64),
    hashed=ByteRange(0, 4096),
    layers=(Layer("raw", 0, 4096, {}), Layer("decrypt", 512, 4096, {"cipher": "aes-cbc-plain", "sector_size": 512})),
    gaps=(Gap(1024, 1536, "Input/output error"),),
)
IMAGE = Image(
    name="f000000000512",
    evidence=None,
    runs=(ByteRange(512, 2560),),
    size=2048,
    hashes=Hashes("b" * 64, "c" * 32),
    end="trailer:mpf",
    width=64,
    height=48,
    sampling="4:2:0",
    process="baseline",
    mcus=12,
    thumbnail=Thumbnail("exif", 100, 200, 16, 12),
    grade="partly_restored",
    claim="consistent",
    repairs=(),
    verified_ranges=(),
    resync_points=(ResyncPoint(8001, 1000, 5, 17, "invalid_code"),),
    segments=(Segment(0, 0, 5, 4800, 8001, 0, 0, (0, 0, 0), 0.5, "decoder", "aligned"),),
    lost_mcus=1,
    uncertain_mcus=5,
    placed_mcus=2,
    aligned_mcus=4,
    thumbnail_match=ThumbnailMatch("trusted", 1, (0.0, 0.5, 16.0, 11.5), 0.75, (1.0,), (-2.5,), (3.25,)),
    fill=FillRecord(
        1,
        (
            ComponentFill(
                "thumbnail",
                ThumbnailModel("box", (0.0, 0.5, 16.0, 11.5), (0.25, 0.0, 0.0, 0.0), 1.0, -2.5, 3.25, True),
                (FillGate("run", 0.3, 25.5, None, 12),),
            ),
            ComponentFill("directional"),
        ),
    ),
    sca=ScaRecord(("compensation", "alignment"), (ScaSegment(0, 5, (1, -2, 0)),), (RowShift(1, -2),)),
    outputs=(OutputFile("f000000000512.carved.jpg", "carved", 2048, "b" * 64),),
    problems=(Problem("gap", "warning", "512 bytes could not be read", 600),),
)
SOUND_IMAGE = replace(
    IMAGE, name="f000000003072", grade="no_damage_found", resync_points=(), lost_mcus=0, uncertain_mcus=0
)
SOUND_IMAGE = replace(SOUND_IMAGE, placed_mcus=None, aligned_mcus=None, thumbnail_match=None, fill=None)
REPORT = Report(run=RUN, evidence=EVIDENCE, images=(IMAGE, SOUND_IMAGE), problems=(Problem("note", "info", "said"),))

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(Segment, st.builds(Segment, confidence=st.none() | st.floats(0, 1)))
reports = st.from_type(Report)
