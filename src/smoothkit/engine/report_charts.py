"""Line charts as SVG inside a page: no library, readable in light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

# Of each run in turn, in light and in dark; after the last one they begin anew, dashed.
_COLOURS = (
    ("#0b62c4", "#6cb2ff"),
    ("#d1480a", "#ff9a5c"),
    ("#0a7d50", "#4fd39a"),
    ("#9b3fb5", "#d69bea"),
    ("#9a6a00", "#f2c14e"),
    ("#00838f", "#4dd0e1"),
)
_DASHES = ("", "6 3", "2 3")
_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 22, 8, 38
_FEW_POINTS = 20
_WIDE_RANGE = 30.0

STYLE = (
    ".chart { min-width: 0; } .chart > svg { width: 100%; height: auto; display: block; }"
    ".chart figcaption { font-weight: 600; font-size: .95rem; }"
    ".chart text { font: 12px system-ui, sans-serif; fill: currentColor; }"
    ".chart .rule { stroke: var(--line); } .chart path { fill: none; stroke: currentColor; }"
    ".chart path { stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }"
    ".chart circle { fill: currentColor; } .spread { opacity: .3; }"
    ".legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .85rem; }"
    ".legend span { overflow-wrap: anywhere; } .legend svg { width: 1.8rem; height: .6rem; }"
    ".legend path { fill: none; stroke: currentColor; stroke-width: 2.5; }"
    + "".join(f".run{i} {{ color: {light}; }}" for i, (light, _) in enumerate(_COLOURS))
    + "@media (prefers-color-scheme: dark) {"
    + "".join(f".run{i} {{ color: {dark}; }}" for i, (_, dark) in enumerate(_COLOURS))
    + "}"
)


class Point(NamedTuple):
    """A value at an iteration; NaN where there is none."""

    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """One run in a chart.

    Args:
        label: its name.
        number: of its colour, the same in all charts.
        points: in the order of their iterations.
    """

    label: str
    number: int
    points: Sequence[Point]


def line_chart(
    title: str, lines: Sequence[Line], *, is_loss: bool = False, x_title: str = "iteration"
) -> str:
    """Lines over the iteration in one chart with a legend; empty where no value is finite.

    Args:
        title: stands above it.
        lines: of any length.
        is_loss: a wide range of positive values gets a logarithmic axis, and a long line is drawn
            averaged, with its values faint behind.
        x_title: of the lower axis.
    """
    finite = [point for line in lines for point in line.points if math.isfinite(point.y)]
    if not finite:
        return ""
    values = [point.y for point in finite]
    is_log = is_loss and min(values) > 0 and max(values) > _WIDE_RANGE * min(values)
    x_axis = _Axis.over([point.x for point in finite], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis.over(values, _HEIGHT - _BOTTOM, _TOP, is_log=is_log)
    drawn = "".join(_spread(line, x_axis, y_axis) for line in lines if is_loss)
    drawn += "".join(_drawn(line, x_axis, y_axis, is_averaged=is_loss) for line in lines)
    legend = "".join(f"<span>{_swatch(line)} {escape(line.label)}</span>" for line in lines)
    scale = " (log scale)" if is_log else ""
    return (
        f'<figure class="chart"><figcaption>{escape(title)}{scale}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'{_rules(x_axis, y_axis, x_title)}{drawn}</svg><div class="legend">{legend}</div></figure>'
    )


def decimate(points: Sequence[Point], buckets: int = 200) -> list[Point]:
    """First, last and, of each bucket of neighbours, the lowest, the highest and a gap, in order.

    As they are where that would not be fewer.
    """
    if len(points) <= 3 * buckets:
        return list(points)
    landmarks = {point for bucket in _buckets(points, buckets) for point in _landmarks(bucket)}
    return sorted(landmarks | {points[0], points[-1]})


def averaged(points: Sequence[Point], buckets: int = 100) -> list[Point]:
    """The mean of each bucket of neighbours, NaN where none is finite; few points as they are."""
    if len(points) <= 2 * buckets:
        return list(points)
    return [_mean(bucket) for bucket in _buckets(points, buckets)]


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten from ``low`` to ``high``."""
    rough = (high - low) / count * (1 - 1e-9)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from ``low`` to ``high``, at most seven; 2 and 5 beside where few."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    if last - first < 2:
        texts = [
            f"{factor}e{power}" for power in range(first - 1, last + 1) for factor in (1, 2, 5)
        ]
    else:
        texts = [
            f"1e{power}" for power in range(first, last + 1, math.ceil((last - first + 1) / 7))
        ]
    return [tick for tick in map(float, texts) if low <= tick <= high]


@dataclass(frozen=True)
class _Axis:
    """Where values stand.

    Args:
        low, high: ends, as logarithms where ``is_log``.
        start, end: the pixels that they fall on.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    @classmethod
    def over(
        cls, values: Sequence[float], start: float, end: float, *, is_log: bool = False
    ) -> _Axis:
        """The axis that shows all ``values``, with a little room beside them."""
        low, high = min(values), max(values)
        if is_log:
            low, high = math.log10(low), math.log10(high)
        is_constant = high - low <= 1e-9 * abs(high)
        room = (abs(high) * 0.1 or 1.0) if is_constant else 0.03 * (high - low)
        return cls(low - room, high + room, start, end, is_log)

    def place(self, value: float) -> float:
        unit = math.log10(value) if self.is_log else value
        return self.start + (unit - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.is_log:
            return log_ticks(10**self.low, 10**self.high)
        return linear_ticks(self.low, self.high)


def _buckets(points: Sequence[Point], count: int) -> Iterator[Sequence[Point]]:
    for start, end in pairwise(len(points) * i // count for i in range(count + 1)):
        yield points[start:end]


def _landmarks(bucket: Sequence[Point]) -> list[Point]:
    gaps = [point for point in bucket if not math.isfinite(point.y)][:1]
    finite = [point for point in bucket if math.isfinite(point.y)]
    ends = [pick(finite, key=lambda point: point.y) for pick in (min, max) if finite]
    return gaps + ends


def _mean(bucket: Sequence[Point]) -> Point:
    finite = [point.y for point in bucket if math.isfinite(point.y)]
    return Point(bucket[len(bucket) // 2].x, fmean(finite) if finite else math.nan)


def _rules(x_axis: _Axis, y_axis: _Axis, x_title: str) -> str:
    """Ticks with their numbers; a line across for those of the values."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [
        f'<line class="rule" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        for tick in y_axis.ticks()
        for y in (y_axis.place(tick),)
    ]
    parts += [
        f'<text x="{x_axis.place(tick):.1f}" y="{bottom + 16}" text-anchor="middle">'
        f"{_number(tick)}</text>"
        for tick in x_axis.ticks()
        if tick.is_integer() and tick >= 0
    ]
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{bottom + 33}" text-anchor="middle">{x_title}</text>')
    return "".join(parts)


def _number(tick: float) -> str:
    return f"{tick:,.10g}" if abs(tick) < 1e7 else f"{tick:.3g}"


def _spread(line: Line, x_axis: _Axis, y_axis: _Axis) -> str:
    """Faint, the values of a line that is itself drawn averaged."""
    if len(averaged(line.points)) == len(line.points):
        return ""
    path = _path(decimate(line.points), x_axis, y_axis)
    return f'<path class="spread {_colour(line)}" d="{path}"/>'


def _drawn(line: Line, x_axis: _Axis, y_axis: _Axis, *, is_averaged: bool) -> str:
    """The line; few points are marked, each with its value as a tooltip."""
    shown = averaged(line.points) if is_averaged else decimate(line.points)
    marked = [point for point in line.points if math.isfinite(point.y)]
    dots = "".join(
        f'<circle cx="{x_axis.place(x):.1f}" cy="{y_axis.place(y):.1f}" r="3">'
        f"<title>{escape(f'{line.label}: {y:.6g} at {x:,}')}</title></circle>"
        for x, y in (marked if len(marked) <= _FEW_POINTS else ())
    )
    path = _path(shown, x_axis, y_axis)
    return f'<g class="{_colour(line)}"><path{_dash(line)} d="{path}"/>{dots}</g>'


def _path(points: Sequence[Point], x_axis: _Axis, y_axis: _Axis) -> str:
    """Broken at gaps."""
    parts, is_broken = [], True
    for x, y in points:
        if math.isfinite(y):
            place = f"{x_axis.place(x):.1f} {y_axis.place(y):.1f}"
            parts.append(f"M{place}h0" if is_broken else f"L{place}")  # h0: a lone point is a dot
        is_broken = not math.isfinite(y)
    return "".join(parts)


def _swatch(line: Line) -> str:
    return (
        f'<svg viewBox="0 0 30 10" class="{_colour(line)}" aria-hidden="true">'
        f'<path{_dash(line)} d="M2 5H28"/></svg>'
    )


def _colour(line: Line) -> str:
    return f"run{line.number % len(_COLOURS)}"


def _dash(line: Line) -> str:
    dash = _DASHES[line.number // len(_COLOURS) % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""
