"""Ground truths from photographs: candidates of many filters, the best one chosen by a score.

Layout below the output folder: ``candidates/<photograph>/<filter>.png``, the best of them linked as
``SPS-GT/<photograph>.png``, ``sheets/<photograph>.png`` and ``.html``, and what was measured in
``selection/<photograph>.json``. Every photograph is finished on its own, so a run that was cut
short goes on where it stopped, and several machines can share the work. What the folder's note says
was made from another photograph or grid is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from smoothkit.core.errors import DataError
from smoothkit.core.files import link_or_copy, read_json, write_json
from smoothkit.core.parallel import in_threads, of_shard
from smoothkit.data.origin import Origin
from smoothkit.data.prepare.filtering import read_photo
from smoothkit.data.prepare.numbering import refuse_twins
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.ops.filters import Candidate, apply_filter
from smoothkit.ops.io import read_bytes, write_image
from smoothkit.ops.screening import Screening, screen
from smoothkit.systems.jess.contact_sheet import write_sheet

# Around the settings that the paper's repository shows for its easy images.
DEFAULT_GRID = (
    "bilateral:sigma_color=0.08,0.2:sigma_space=6",
    "rolling_guidance:sigma_r=0.08:sigma_s=3,6:iterations=2",
    "l0:lam=0.003,0.01,0.03",
    "rtv:lam=0.005,0.01:sharpness=0.008,0.02",
    "sd:lam=3,10:iterations=5",
)


def choose_ground_truths(
    photo_dir: str | Path,
    out_dir: str | Path,
    candidates: Sequence[Candidate],
    *,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
    overwrite: bool = False,
) -> Iterator[tuple[Path, str | None]]:
    """Filter, measure and choose; yields each photograph with why it was skipped, or None.

    Args:
        photo_dir: images; of 16 bits the upper 8 are kept, as pairs are blended in bytes.
        out_dir: gets the folders that the module names.
        candidates: what to try.
        workers: photographs at a time; None for one for each usable CPU.
        shard: (I, N) takes every N-th photograph, from the I-th on.
        overwrite: make all anew, also in the place of ground truths that no note tells of.

    Raises:
        DataError: no photographs, two of one name, a ground truth would be replaced that no note
            tells of, or a file that cannot be written.
    """
    paths = image_files(photo_dir)
    refuse_twins(paths, [path.stem for path in paths])
    own = list(of_shard(paths, shard))
    out_dir = Path(out_dir)
    note = Note(out_dir)
    photos = {_target(out_dir, path): path for path in own}
    grid = [candidate.label for candidate in candidates]

    def origin(target: Path) -> Origin:
        return Origin({"photograph": note.file(photos[target])}, settings={"grid": grid})

    advice = "Give another folder, or --overwrite to replace what is there."
    due = note.due(photos, origin, is_all=overwrite, what_to_do=advice)
    due |= {target for target, path in photos.items() if not _selection(out_dir, path).exists()}
    finish = partial(_finish, out_dir=out_dir, candidates=candidates)

    def finished(target: Path) -> str | None:
        if target not in due:
            return None
        return finish(photos[target], note=note, origin=partial(origin, target))

    with note:
        yield from zip(own, in_threads(finished, list(photos), workers), strict=True)


def merge_selections(out_dir: str | Path) -> Path:
    """Write ``selection.json``: photograph -> what was chosen, of all that are finished.

    Raises:
        DataError: one of ``selection`` cannot be read.
    """
    out_dir = Path(out_dir)
    chosen = {}
    for path in sorted((out_dir / "selection").glob("*.json")):
        try:
            held = read_json(path)
            rows = {row["name"]: row for row in held["candidates"]}
            chosen[path.stem] = rows[held["best"]]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{path}: cannot be read. Remove it, and choose again.") from error
    write_json(out_dir / "selection.json", chosen)
    return out_dir / "selection.json"


def _finish(
    path: Path,
    *,
    out_dir: Path,
    candidates: Sequence[Candidate],
    note: Note,
    origin: Callable[[], Origin],
) -> str | None:
    target = _target(out_dir, path)
    try:
        photo = read_photo(path, note.read)
    except DataError as error:
        return str(error)
    folder = out_dir / "candidates" / path.stem
    images, screenings = {}, {}
    for candidate in candidates:
        images[candidate.label] = apply_filter(candidate.method, photo, candidate.settings)
        write_image(folder / f"{candidate.label}.png", images[candidate.label])
        screenings[candidate.label] = screen(photo, images[candidate.label])
    best = max(screenings, key=lambda name: screenings[name].score)
    write_sheet(out_dir / "sheets" / path.stem, photo, images, screenings, best)
    rows = [_row(candidate, screenings[candidate.label]) for candidate in candidates]
    write_json(
        _selection(out_dir, path), {"photograph": path.name, "best": best, "candidates": rows}
    )
    # Last: where it is current, so is all else.
    content = read_bytes(folder / f"{best}.png")
    digest = note.claim(target, content, origin())
    link_or_copy(folder / f"{best}.png", target)
    note.keep(target, digest)
    return None


def _target(out_dir: Path, path: Path) -> Path:
    return out_dir / "SPS-GT" / f"{path.stem}.png"


def _selection(out_dir: Path, path: Path) -> Path:
    return out_dir / "selection" / f"{path.stem}.json"


def _row(candidate: Candidate, screening: Screening) -> dict[str, Any]:
    return {
        "name": candidate.label,
        "method": candidate.method,
        "settings": dict(candidate.settings),
        "score": screening.score,
        **asdict(screening),
    }
