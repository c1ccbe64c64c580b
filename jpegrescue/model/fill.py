"""What filling made of the MCUs that were lost."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FillMethod = Literal["none", "directional", "thumbnail", "enlarged", "grey"]
HoleKind = Literal["run", "deep", "vast"]


@dataclass(frozen=True, slots=True)
class ThumbnailModel:
    """How a component of the preview came from the picture, as fitted on its intact samples.

    preview = `gain` · (blurred and decimated picture) + `offset`, within `sigma` levels (root mean square). `kernel`:
    name of the blur. `box`: left, top, right, bottom of the picture's area in samples of the turned preview; `shift`:
    how far each of these lies from where the match had put it. `fitted`: whether there was enough to fit it on; else
    these are the match's figures.
    """

    kernel: str
    box: tuple[float, float, float, float]
    shift: tuple[float, float, float, float]
    gain: float
    offset: float
    sigma: float
    fitted: bool


@dataclass(frozen=True, slots=True)
class FillGate:
    """What hiding intact MCUs and filling them said about the preview, for holes of one `kind`.

    `run`: holes less than three MCUs high or wide; `deep`: less than eight; `vast`: beyond that, where there is next
    to nothing but the preview to go by, so that no rehearsal is held. `strength`: weight of the preview, relative to
    what its noise suggests: the usual one unless another, 0 among them, proved better. `psnr_without`, `psnr_with`: dB
    over the `pseudo_mcus` MCUs that were hidden, without the preview and with it at that strength; `None` where none
    were hidden, and the strength is a cautious guess. `surprise`: how many times more than its noise explains (in
    squares) the preview has to differ from what their surroundings make of holes; the gate holds up to the next one's.
    """

    kind: HoleKind
    strength: float
    psnr_without: float | None
    psnr_with: float | None
    pseudo_mcus: int
    surprise: float = 0.0


@dataclass(frozen=True, slots=True)
class ComponentFill:
    """How one component was filled.

    `method`: `directional` (from its surroundings alone), `thumbnail` (from surroundings and preview, wherever a gate
    has a strength), `enlarged` (the preview alone: nothing else was known), `grey` (nothing to go by), `none` (nothing
    lost). `model` and `gates`: of the preview, where there is one.
    """

    method: FillMethod
    model: ThumbnailModel | None = None
    gates: tuple[FillGate, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What the preview says of one hole, in samples of the first component.

    `window`: top, bottom, left and right; `rest`: float32 (height, width), levels by which the preview is above what
    the hole was filled with; `noise`: the same shape, standard deviation of its samples there, levels. Both are 0 where
    the preview does not reach.
    """

    window: tuple[int, int, int, int]
    rest: NDArray[np.float32]
    noise: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Study:
    """What else may be known of holes in the first component.

    `plain`: uint8 like its plane, filled from surroundings alone; `told`: by the preview, where there is one.
    """

    plain: NDArray[np.uint8]
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """Samples with lost MCUs filled in; every sample elsewhere is what it was.

    `samples`: uint8, one plane per component, shapes as given; `components`: how each was filled; `mcus`: MCUs filled;
    `window_samples`: samples of all components in the windows around holes and pseudo-holes, each counted once;
    `study`: where it was asked for.
    """

    samples: tuple[NDArray[np.uint8], ...]
    components: tuple[ComponentFill, ...]
    mcus: int
    window_samples: int
    study: Study | None = None
