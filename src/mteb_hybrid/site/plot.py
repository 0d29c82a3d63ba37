"""The picture of a leaderboard: map in the pool against rank distance, whose points are links."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.site.boards import DISTANCE, MAPS, Board
from mteb_hybrid.site.kept import Key

WIDTH, HEIGHT = 640, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 604, 16, 360
LETTER, LINE = 6.6, 15
"""Room that a letter and a line of a name take, in the units of the picture."""
LONGEST = 35
SPREAD = 4
"""How many times the smallest distance the largest is, from which on they stand on a log scale."""


@dataclass(frozen=True)
class Point:
    """A model in the picture: what it is called, where it leads, and where it stands."""

    number: int
    name: str
    title: str
    href: str
    x: float
    y: float
    at: tuple[float, float] | None
    anchor: str


@dataclass(frozen=True)
class Plot:
    """Everything that the template draws: points, and the ticks of both axes (place, label)."""

    key: str
    title: str
    points: list[Point]
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    is_log: bool


def plot(board: Board, names: Mapping[Key, str], pages: Mapping[Key, str]) -> Plot | None:
    """The picture of a board; None if fewer than two models have both values whole."""
    pooled = MAPS[2]
    found = [
        (key, e.means["map"].value, e.means["rank_distance"].value)
        for key, row in board.rows.items()
        if all(board.is_whole(key, column) for column in (pooled, DISTANCE))
        and (e := row[Setting.MULTILINGUAL])
    ]
    if DISTANCE not in board.columns or len(found) < 2:
        return None
    found.sort(key=lambda of: (-of[1], of[0]))
    distances, maps = [d for _, _, d in found], [m for _, m, _ in found]
    is_log = min(distances) > 0 and max(distances) > SPREAD * min(distances)
    across = _log_ticks(distances) if is_log else _ticks(distances)
    up = _ticks(maps)

    def place_x(value: float) -> float:
        ends = across[0], across[-1]
        return _between(value, *ends, LEFT, RIGHT, is_log=is_log)

    def place_y(value: float) -> float:
        return _between(value, up[0], up[-1], BOTTOM, TOP)

    places = [(place_x(d), place_y(m)) for _, m, d in found]
    shown = [_short(names[key]) for key, _, _ in found]
    points = [
        Point(
            number,
            name,
            f"{names[key]}: map {m:.4f} in the pool, rank distance {d:,.1f}",
            pages[key],
            *(round(x, 1), round(y, 1)),
            *spot,
        )
        for number, ((key, m, d), name, (x, y), spot) in enumerate(
            zip(found, shown, places, _spots(places, shown), strict=True), 1
        )
    ]
    return Plot(
        key=f"plot-{board.collection.name}{board.revision and '-' + board.revision}",
        title=board.title,
        points=points,
        across=[(round(place_x(v), 1), f"{v:,.10g}") for v in across],
        up=[(round(place_y(v), 1), f"{v:.10g}") for v in up],
        is_log=is_log,
    )


def _between(
    value: float, low: float, high: float, start: float, end: float, *, is_log: bool = False
) -> float:
    if is_log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return start + (value - low) / (high - low) * (end - start)


def _ticks(values: list[float]) -> list[float]:
    """Round numbers, four to eight, around all values."""
    low, high = min(values), max(values)
    span = high - low or abs(high) or 1
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(power * of for of in (1, 2, 5, 10) if span / (power * of) <= 6)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _log_ticks(values: list[float]) -> list[float]:
    first = math.floor(math.log10(min(values)))
    last = max(math.ceil(math.log10(max(values))), first + 1)
    every = [float(f"{of}e{power}") for power in range(first, last) for of in (1, 2, 5)]
    every.append(float(f"1e{last}"))
    low = max(t for t in every if t <= min(values))
    high = min(t for t in every if t >= max(values))
    return [t for t in every if low <= t <= high]


def _short(name: str) -> str:
    """A name without its organisation, its middle left out if it is long; the link has it whole."""
    last = name.rpartition("/")[2] or name
    half = (LONGEST - 1) // 2
    return last if len(last) <= LONGEST else f"{last[:half]}…{last[-half:]}"


def _spots(
    places: list[tuple[float, float]], names: list[str]
) -> Iterator[tuple[tuple[float, float] | None, str]]:
    """Where each name stands without covering a point or another name; None if nowhere."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    for number, ((x, y), name) in enumerate(zip(places, names, strict=True)):
        width = LETTER * len(name)
        others = taken[:number] + taken[number + 1 :]
        for dx, dy, anchor in (
            *((11, 4, "start"), (-11, 4, "end"), (0, -12, "middle"), (0, 21, "middle")),
            *((9, -9, "start"), (-9, -9, "end"), (9, 18, "start"), (-9, 18, "end")),
        ):
            left = x + dx - {"start": 0, "middle": width / 2, "end": width}[anchor]
            box = (left, y + dy - 12, left + width, y + dy + LINE - 12)
            inside = box[0] > LEFT and box[2] < WIDTH and box[1] > 0 and box[3] < BOTTOM
            if inside and not any(_meet(box, other) for other in others):
                taken.append(box)
                yield (round(x + dx, 1), round(y + dy, 1)), anchor
                break
        else:
            yield None, "start"


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
