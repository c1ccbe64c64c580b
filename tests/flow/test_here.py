"""Without threads, things run one after the other and come out the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jpegrescue.flow.here import Here


def test_it_runs_at_once_and_in_this_thread() -> None:
    seen = []

    with Here() as pool:
        future = pool.submit(lambda *args, **kwargs: seen.append((args, kwargs, threading.get_ident())), 1, b=2)

        assert seen == [((1,), {"b": 2}, threading.get_ident())]
        assert future.done()


def test_results_come_in_order_as_from_threads() -> None:
    with Here() as here, ThreadPoolExecutor(3) as threads:
        assert list(here.map(pow, range(9), range(9))) == list(threads.map(pow, range(9), range(9)))


def test_what_fails_fails_when_it_is_asked_for() -> None:
    with Here() as pool:
        futures = [pool.submit(int, text) for text in ("1", "x", "3")]

    assert (futures[0].result(), futures[2].result()) == (1, 3)
    with pytest.raises(ValueError, match="invalid literal"):
        futures[1].result()


def test_an_interrupt_is_not_kept_for_later() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Here().submit(interrupted)
