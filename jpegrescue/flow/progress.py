"""How a run tells that it moves; the flow calls, whoever shows it implements."""

from typing import Protocol


class Progress(Protocol):
    """Receiver of progress. Calls come from one thread at a time."""

    def start(self, total_bytes: int | None, what: str) -> None:
        """A stage called `what` begins; `total_bytes` is `None` where the end is not known."""

    def advance(self, bytes_done: int) -> None:
        """`bytes_done` more bytes of the stage are done."""

    def found(self, images: int, damaged: int) -> None:
        """Images found so far, and how many of them are damaged."""

    def note(self, message: str) -> None:
        """Something worth a line while it happens."""

    def close(self) -> None:
        """The run is over; a second call does nothing."""


class NoProgress:
    """Keeps silent."""

    def start(self, total_bytes: int | None, what: str) -> None:
        """See `Progress.start`."""

    def advance(self, bytes_done: int) -> None:
        """See `Progress.advance`."""

    def found(self, images: int, damaged: int) -> None:
        """See `Progress.found`."""

    def note(self, message: str) -> None:
        """See `Progress.note`."""

    def close(self) -> None:
        """See `Progress.close`."""
