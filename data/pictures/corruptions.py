"""CIFAR-10-C, reimplemented: Hendrycks and Dietterich's corruptions of pictures of 32 x 32, at five severities.

Formulas and severities follow their paper and published functions (hendrycks/robustness, `make_cifar_c.py`), which need
ImageMagick, OpenCV and scikit-image; here numpy and Pillow do. So these are not their files: random numbers differ, and

- motion blur (and the falling of snow) averages along a line with a half-Gaussian, as ImageMagick does, bilinearly;
- a Gaussian blur has a window of 4 deviations, and edges repeat;
- glass blur exchanges two pixels, as their paper says; their code copies one over the other;
- **frost is left out**: it pastes six photographs that come with their code. So there are 14 of their 15.

Every function takes bytes (n, 32, 32, 3), a severity from 1 to 5 and a random stream, and gives bytes of that shape.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Bytes

_Floats = npt.NDArray[np.float64]
Random = np.random.Generator
SEVERITIES = (1, 2, 3, 4, 5)


def corrupt(pictures: Bytes, name: str, severity: int, seed: int = 0) -> Bytes:
    """Pictures (n, 3, 32, 32) with one of `CORRUPTIONS`; the same every time for a seed.

    Raises:
        InputError: an unknown corruption or severity, or pictures of another shape.
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise InputError(f"{name!r} at severity {severity}: choose from {', '.join(CORRUPTIONS)} and 1..5")
    if pictures.ndim != 4 or pictures.shape[1:] != (3, 32, 32):
        raise InputError(f"CIFAR-10-C corrupts pictures of shape (n, 3, 32, 32), not {pictures.shape}")
    rng = np.random.default_rng((seed, list(CORRUPTIONS).index(name), severity))
    # One random draw for all of a batch would make them alike, and the order of calls is theirs to choose.
    found = CORRUPTIONS[name](pictures.transpose(0, 2, 3, 1) / 255, severity - 1, rng)
    return _bytes(found).transpose(0, 3, 1, 2)


def gaussian_noise(x: _Floats, level: int, rng: Random) -> _Floats:
    """Normal noise on every value."""
    return x + rng.normal(0, (0.04, 0.06, 0.08, 0.09, 0.10)[level], x.shape)


def shot_noise(x: _Floats, level: int, rng: Random) -> _Floats:
    """Poisson noise, as of few photons."""
    photons = (500, 250, 100, 75, 50)[level]
    return rng.poisson(x * photons) / photons


def impulse_noise(x: _Floats, level: int, rng: Random) -> _Floats:
    """Salt and pepper."""
    hit = rng.random(x.shape) < (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    return np.where(hit, rng.random(x.shape) < 0.5, x)


def defocus_blur(x: _Floats, level: int, rng: Random) -> _Floats:
    """A disc instead of a point."""
    radius, alias = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[level]
    at = np.arange(-8, 9)
    disc = ((at[:, None] ** 2 + at[None, :] ** 2) <= radius**2).astype(float)
    weights = np.exp(-(np.arange(-1, 2) ** 2) / (2 * alias**2))
    kernel = _filter(disc[None, :, :, None] / disc.sum(), np.outer(weights, weights) / weights.sum() ** 2)
    return _filter(x, kernel[0, :, :, 0])


def glass_blur(x: _Floats, level: int, rng: Random) -> _Floats:
    """Blurred, neighbouring pixels exchanged, blurred again."""
    sigma, reach, rounds = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[level]
    x = np.floor(gaussian_blur(x, sigma) * 255)
    rows, side = np.arange(len(x)), x.shape[1]
    for _ in range(rounds):
        for down in range(side - reach, reach, -1):
            for right in range(side - reach, reach, -1):
                there = rng.integers(-reach, reach, (2, len(x)))
                one = (rows, np.full(len(x), min(down, side - 1)), np.full(len(x), min(right, side - 1)))
                other = (rows, (one[1] + there[0]), (one[2] + there[1]))
                x[one], x[other] = x[other].copy(), x[one].copy()
    return gaussian_blur(x / 255, sigma)


def motion_blur(x: _Floats, level: int, rng: Random) -> _Floats:
    """Averaged along a line."""
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[level]
    return _move(x, radius, sigma, rng.uniform(-45, 45, len(x)))


def zoom_blur(x: _Floats, level: int, rng: Random) -> _Floats:
    """The mean of several enlargements."""
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[level], 0.01)
    return (x + sum(_zoom(x, factor) for factor in factors)) / (len(factors) + 1)


def snow(x: _Floats, level: int, rng: Random) -> _Floats:
    """Flakes that fall, and a whiter picture."""
    settings = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )
    mean, spread, zoom, least, radius, sigma, share = settings[level]
    flakes = _zoom(rng.normal(mean, spread, (*x.shape[:3], 1)), zoom)
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1)
    flakes = _move(flakes, radius, sigma, rng.uniform(-135, -45, len(x)))
    grey = (x @ np.array([0.299, 0.587, 0.114]))[..., None]
    found: _Floats = share * x + (1 - share) * np.maximum(x, 1.5 * grey + 0.5) + flakes + flakes[:, ::-1, ::-1]
    return found


def fog(x: _Floats, level: int, rng: Random) -> _Floats:
    """A cloud by the diamond-square algorithm."""
    dense, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[level]
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    clouds = np.stack([_plasma(x.shape[1], decay, rng) for _ in x])[..., None]
    found: _Floats = (x + dense * clouds) * brightest / (brightest + dense)
    return found


def brightness(x: _Floats, level: int, rng: Random) -> _Floats:
    """More V of HSV."""
    value = x.max(axis=-1, keepdims=True)
    raised = (value + (0.05, 0.1, 0.15, 0.2, 0.3)[level]).clip(0, 1)
    found: _Floats = np.where(value > 0, x * raised / np.maximum(value, 1e-12), raised)
    return found


def contrast(x: _Floats, level: int, rng: Random) -> _Floats:
    """Nearer to each channel's mean."""
    means = x.mean(axis=(1, 2), keepdims=True)
    found: _Floats = (x - means) * (0.75, 0.5, 0.4, 0.3, 0.15)[level] + means
    return found


def elastic_transform(x: _Floats, level: int, rng: Random) -> _Floats:
    """A random affine map, and a smooth displacement after it."""
    side = x.shape[1]
    settings = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
    strength, smooth, shift = (side * value for value in settings[level])
    return np.stack([_elastic(picture, strength, smooth, shift, rng) for picture in x])


def pixelate(x: _Floats, level: int, rng: Random) -> _Floats:
    """Reduced and enlarged, by boxes."""
    from PIL import Image

    side = x.shape[1]
    small = (int(side * (0.95, 0.9, 0.85, 0.75, 0.65)[level]),) * 2
    box = Image.Resampling.BOX
    return np.stack(
        [np.asarray(Image.fromarray(one).resize(small, box).resize((side, side), box)) / 255 for one in _bytes(x)]
    )


def jpeg_compression(x: _Floats, level: int, rng: Random) -> _Floats:
    """Written as a JPEG of low quality and read again."""
    return np.stack([_jpeg(one, (80, 65, 58, 50, 40)[level]) for one in _bytes(x)])


CORRUPTIONS: dict[str, Callable[[_Floats, int, Random], _Floats]] = {
    made.__name__: made
    for made in (
        *(gaussian_noise, shot_noise, impulse_noise),
        *(defocus_blur, glass_blur, motion_blur, zoom_blur),
        *(snow, fog, brightness, contrast),
        *(elastic_transform, pixelate, jpeg_compression),
    )
}


def gaussian_blur(x: _Floats, sigma: float) -> _Floats:
    """Pictures (n, h, w, channels) under a Gaussian window of 4 deviations, edges repeated."""
    reach = int(4 * sigma + 0.5)
    if not reach:
        return x
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    return _filter(_filter(x, weights[:, None]), weights[None, :])


def _bytes(x: _Floats) -> Bytes:
    found: Bytes = (x.clip(0, 1) * 255 + 1e-6).astype(np.uint8)  # theirs are cut off, not rounded
    return found


def _filter(x: _Floats, kernel: _Floats) -> _Floats:
    """Correlation with a kernel of odd sides, edges repeated."""
    down, right = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(x, ((0, 0), (down, down), (right, right), (0, 0)), mode="edge")
    result = np.zeros_like(x)
    for row, column in zip(*np.nonzero(kernel), strict=True):
        result += kernel[row, column] * padded[:, row : row + x.shape[1], column : column + x.shape[2]]
    return result


def _sample_at(x: _Floats, down: _Floats, right: _Floats, mirror: bool = False) -> _Floats:
    """Bilinear samples of a picture (h, w, channels) at places of shape (...), edges repeated or mirrored."""
    height, width = x.shape[:2]
    if mirror:
        down, right = (abs((it + size) % (2 * size) - size) for it, size in ((down, height - 1), (right, width - 1)))
    down, right = down.clip(0, height - 1), right.clip(0, width - 1)
    row, column = np.minimum(down.astype(int), height - 2), np.minimum(right.astype(int), width - 2)
    below, beside = (down - row)[..., None], (right - column)[..., None]
    upper = x[row, column] * (1 - beside) + x[row, column + 1] * beside
    lower = x[row + 1, column] * (1 - beside) + x[row + 1, column + 1] * beside
    found: _Floats = upper * (1 - below) + lower * below
    return found


def _move(x: _Floats, radius: int, sigma: float, degrees: _Floats) -> _Floats:
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    rows, columns = np.mgrid[0 : x.shape[1], 0 : x.shape[2]].astype(float)
    result = np.zeros_like(x)
    for picture, angle, out in zip(x, np.deg2rad(degrees), result, strict=True):
        for step, weight in enumerate(weights):
            if weight > 1e-4:
                out += weight * _sample_at(picture, rows + step * np.sin(angle), columns + step * np.cos(angle))
    return result


def _zoom(x: _Floats, factor: float) -> _Floats:
    side = x.shape[1]
    kept = int(np.ceil(side / factor))
    first = (side - kept) // 2
    large = round(kept * factor)
    places = np.arange(large) * (kept - 1) / max(1, large - 1)
    trim = (large - side) // 2
    down, right = np.meshgrid(places[trim : trim + side], places[trim : trim + side], indexing="ij")
    return np.stack([_sample_at(one[first : first + kept, first : first + kept], down, right) for one in x])


def _plasma(side: int, decay: float, rng: Random) -> _Floats:
    heights = np.zeros((side, side))
    step, wibble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        squares = corners + np.roll(corners, -1, 0)
        squares = squares + np.roll(squares, -1, 1)
        heights[half::step, half::step] = squares / 4 + wibble * rng.uniform(-wibble, wibble, squares.shape)
        centres, corners = heights[half::step, half::step], heights[::step, ::step]
        across = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = across / 4 + wibble * rng.uniform(-wibble, wibble, across.shape)
        along = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = along / 4 + wibble * rng.uniform(-wibble, wibble, along.shape)
        step, wibble = half, wibble / decay
    heights -= heights.min()
    scaled: _Floats = heights / heights.max()
    return scaled


def _elastic(picture: _Floats, strength: float, smooth: float, shift: float, rng: Random) -> _Floats:
    side = picture.shape[0]
    middle, third = side // 2, side // 3
    points = np.array([[middle + third, middle + third], [middle + third, middle - third], [middle - third] * 2], float)
    moved = points + rng.uniform(-shift, shift, points.shape)
    # From where a pixel comes: the inverse of the affine map that takes points to moved ones.
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points)
    rows, columns = np.mgrid[0:side, 0:side].astype(float)
    right, down = np.moveaxis(np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ back, -1, 0)
    warped = _sample_at(picture, down, right, mirror=True)
    waves = gaussian_blur(rng.uniform(-1, 1, (1, side, side, 2)), smooth)[0] * strength
    return _sample_at(warped, rows + waves[..., 1], columns + waves[..., 0], mirror=True)


def _jpeg(picture: Bytes, quality: int) -> _Floats:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    with Image.open(content) as read:
        return np.asarray(read) / 255
