"""Text that is safe to send to a terminal."""


def printable(text: str) -> str:
    """`text` with everything that could move the cursor, hide text or fail to encode written as an escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
