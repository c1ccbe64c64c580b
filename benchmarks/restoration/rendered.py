"""Pictures that photo collections lack, drawn: night shots, screenshots, documents.

They are what fools a plausibility model: black skies without texture, flat colours, hard edges, white paper.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

TEXT = "the quick brown fox jumps over a lazy dog while seven boxing wizards mix five jugs of liquid for a judge"
SIZE = (1024, 768)


def rendered() -> Iterator[tuple[str, Image.Image]]:
    """Name and picture, two of each kind; the same on every run."""
    kinds: dict[str, Callable[[np.random.Generator], Image.Image]] = {
        "night": _night,
        "screenshot": _screenshot,
        "document": _document,
    }
    for kind, draw in kinds.items():
        for number in (1, 2):
            yield f"{kind}-{number}", draw(np.random.default_rng([number, len(kind)]))


def _night(random: np.random.Generator) -> Image.Image:
    """A street at night: a dark gradient with sensor noise, blurred lamps, lit windows, a black skyline."""
    width, height = SIZE
    base = np.linspace(6, 26, height)[:, None, None] * np.array([0.8, 0.9, 1.3])
    picture = Image.fromarray(np.broadcast_to(base, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    left = 0
    while left < width:
        right = left + int(random.integers(40, 140))
        roof = int(random.integers(height // 4, height * 3 // 4))
        draw.rectangle((left, roof, right, height), fill=(4, 4, 6))
        for x in range(left + 6, right - 10, 14):
            for y in range(roof + 8, height - 12, 18):
                if random.random() < 0.25:
                    draw.rectangle((x, y, x + 7, y + 9), fill=_colour(random, (150, 120, 60), 60))
        left = right
    for _ in range(30):
        x, y, radius = int(random.integers(width)), int(random.integers(height)), int(random.integers(2, 14))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(random, (250, 220, 150), 60))
    picture = picture.filter(ImageFilter.GaussianBlur(1.6))
    return _with_noise(picture, random, 3.5)


def _screenshot(random: np.random.Generator) -> Image.Image:
    """A desktop: windows with title bars, text, buttons, a flat background."""
    picture = Image.new("RGB", SIZE, _colour(random, (60, 100, 140), 50))
    draw = ImageDraw.Draw(picture)
    for _ in range(5):
        x, y = int(random.integers(SIZE[0] - 300)), int(random.integers(SIZE[1] - 200))
        right, bottom = x + int(random.integers(250, 560)), y + int(random.integers(150, 420))
        draw.rectangle((x, y, right, bottom), fill=(250, 250, 252), outline=(90, 90, 90))
        draw.rectangle((x, y, right, y + 22), fill=_colour(random, (70, 80, 110), 30))
        _text(draw, random, (x + 8, y + 30, right - 8, bottom - 30), 13, (20, 20, 25))
        draw.rectangle((right - 90, bottom - 26, right - 8, bottom - 6), fill=(0, 110, 210))
    draw.rectangle((0, SIZE[1] - 34, SIZE[0], SIZE[1]), fill=(28, 28, 32))
    return picture


def _document(random: np.random.Generator) -> Image.Image:
    """A scanned page: lines of text, a table, a stamp, paper that is not quite white."""
    picture = Image.new("RGB", SIZE, (249, 248, 244))
    draw = ImageDraw.Draw(picture)
    _text(draw, random, (80, 50, SIZE[0] - 80, 360), 16, (25, 25, 30))
    for row in range(7):
        y = 400 + 30 * row
        draw.line((80, y, SIZE[0] - 80, y), fill=(90, 90, 90))
        if row < 6:
            _text(draw, random, (90, y + 6, SIZE[0] - 90, y + 28), 14, (40, 40, 45))
    for x in np.linspace(80, SIZE[0] - 80, 5).astype(int).tolist():
        draw.line((x, 400, x, 580), fill=(90, 90, 90))
    draw.ellipse((680, 600, 860, 730), outline=(170, 30, 40), width=5)
    return _with_noise(picture.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=(200, 198, 190)), random, 1.2)


def _text(
    draw: ImageDraw.ImageDraw,
    random: np.random.Generator,
    box: tuple[int, int, int, int],
    size: int,
    colour: tuple[int, int, int],
) -> None:
    words = TEXT.split()
    font = ImageFont.load_default(size)
    for y in range(box[1], box[3] - size, int(size * 1.5)):
        line = ""
        while draw.textlength(f"{line} {words[0]}", font) < box[2] - box[0] - 60:
            line = f"{line} {random.choice(words)}"
        draw.text((box[0], y), line, fill=colour, font=font)


def _colour(random: np.random.Generator, around: tuple[int, int, int], spread: int) -> tuple[int, int, int]:
    red, green, blue = np.clip(np.array(around) + random.integers(-spread, spread + 1, 3), 0, 255).tolist()
    return red, green, blue


def _with_noise(picture: Image.Image, random: np.random.Generator, sigma: float) -> Image.Image:
    levels: NDArray[np.float64] = np.asarray(picture) + random.normal(0, sigma, (*picture.size[::-1], 3))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
