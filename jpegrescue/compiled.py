"""How kernels are compiled: lazily, without the GIL, and cached on disk under a key that goes stale when it must.

Numba keys a cached kernel by its own source file only, so a kernel would survive a change of a callee in another file.
The cache folder is therefore named after a hash of all kernel sources and of this file. Import `kernel` from here
before numba is imported anywhere else: the folder has to be set first.
"""

import gc
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent


def _sources_digest() -> str:
    digest = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes())
    for path in sorted(_PACKAGE.rglob("_kernels*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _choose_folder() -> Path | None:
    base = os.environ.get("JPEGRESCUE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # no home directory at all
        return None
    folder = root / "jpegrescue" / f"kernels-{_sources_digest()}"
    return folder if _writable(folder) else None


CACHE_FOLDER = _choose_folder()
COLD_START = CACHE_FOLDER is None or not any(CACHE_FOLDER.iterdir())
if CACHE_FOLDER is not None:
    os.environ["NUMBA_CACHE_DIR"] = str(CACHE_FOLDER)

import numba  # noqa: E402  (the cache folder must be in the environment before this import)

int32 = numba.int32

gc.set_threshold(20_000, 20, 20)  # numba keeps most of its millions of objects: going through them takes seconds

_ALLOCATING: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}  # that wrapper would be for callers in C
_BARE: dict[str, Any] = {**_ALLOCATING, "_nrt": False}  # numba's runtime, which counts references


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first call, without the GIL, cached on disk where a folder for it is writable.

    A kernel works on its caller's arrays: it makes none, nor calls what does, so it need not count references to them.
    Counting is atomic, and around small helpers it took most of the time.
    """
    compiled: Callable[..., Any] = numba.njit(cache=CACHE_FOLDER is not None, **_BARE)(function)
    return compiled


def allocating(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `kernel`, for those that make arrays, or call what does."""
    compiled: Callable[..., Any] = numba.njit(cache=CACHE_FOLDER is not None, **_ALLOCATING)(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `kernel`, for small helpers that are compiled into their callers."""
    compiled: Callable[..., Any] = numba.njit(forceinline=True, **_BARE)(function)
    return compiled
