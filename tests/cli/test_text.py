"""Names come from evidence: what is printed must not drive the examiner's terminal."""

from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.cli.text import printable


@given(st.text(st.characters(codec=None)))
def test_only_printable_characters_that_can_be_encoded_remain(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    shown.encode()
    assert shown == text or not text.isprintable()


def test_known_texts() -> None:
    assert printable("a\x1b]0;x\x07b\n\u202ec\udcff") == r"a\x1b]0;x\x07b\n\u202ec\udcff"
    assert printable("grüße [bold]") == "grüße [bold]"
