"""``smoothkit.test``: a trained network on one or more test sets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from smoothkit.core import distributed
from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.log import setup_logging
from smoothkit.engine.datasets import open_set, phases, refuse_small_images
from smoothkit.engine.setup import Run, open_run, write_resolved
from smoothkit.engine.tables import Table, write_tables
from smoothkit.engine.validation import Place, validate
from smoothkit.engine.visuals import stack_rows, to_bgr_bytes
from smoothkit.models import build_model
from smoothkit.ops.io import write_image

log = logging.getLogger(__name__)


def evaluate(
    option_path: str | Path, *, launcher: str = "none", overrides: Sequence[str] = ()
) -> list[Table]:
    """Run a network over the test sets of an option file.

    Images go to ``results/<name>/visualization/<test set>``, numbers to ``metrics.csv`` and
    ``metrics.json`` beside it.

    Args:
        option_path: the file.
        launcher: ``none``, ``pytorch`` or ``slurm``; torchrun is recognised by itself.
        overrides: ``key:sub=value`` in place of what the file says.

    Returns:
        A table for each test set; empty ones in processes other than the first.

    Raises:
        SmoothkitError: anything that the user can put right, in one message.
    """
    setup_logging()
    with distributed.alike(launcher):
        run = open_run(option_path, is_train=False, launcher=launcher, overrides=overrides)
    setup_logging(is_main=run.runtime.rank == 0)
    try:
        return _test(run, launcher)
    except OptionError as error:
        with distributed.alike(launcher):
            raise run.file.error(error.faults) from error
    finally:
        distributed.stop()


def _test(run: Run, launcher: str) -> list[Table]:
    folders = run.runtime.folders
    assert folders is not None
    keys = [key for key in phases(run, "") if not key.startswith("train")]
    if not keys:
        raise OptionError("datasets: holds no test set. Add 'test_1' with its folders.")
    with distributed.alike(launcher):
        sets = [open_set(run, key) for key in keys]
    if not (run.options.get("path") or {}).get("pretrain_network_g"):
        log.warning("path.pretrain_network_g is not given: testing untrained weights.")
    with distributed.alike(launcher):
        model = build_model(run.options, run.runtime)
        refuse_small_images(getattr(model, "net", None), sets)
    suffix = run.settings.name if run.val.suffix is None else run.val.suffix
    tables: list[Table] = []
    failures: list[str] = []
    nameless: list[str] = []
    for opened in sets:
        name = str(opened.section["name"])
        place = Place(folders.results / "visualization" / name, suffix)
        outcome = validate(model, opened.loader(run), opened.section, run.val, run.runtime, place)
        tables.append(outcome.table)
        failures += [f"{name}/{stem}" for stem in outcome.failures]
        nameless += [f"{name}/{stem}" for stem in outcome.nameless]
        log.info("%s", outcome.table.line())
        if run.runtime.rank == 0 and outcome.rows:
            picture = stack_rows(list(outcome.rows.values()))
            write_image(folders.results / f"comparison_{name}.png", to_bgr_bytes(picture))
    with distributed.together():
        if run.runtime.rank == 0:
            write_tables(tables, folders.results)
            write_resolved(run, folders.results)
            log.info("Results: %s", folders.results)
    total = sum(len(table.rows) for table in tables)
    faults = []
    if failures:
        faults.append(
            f"{failures[0]}: the result must be finite, got NaN or infinity; so it is with "
            f"{len(failures)} of {total} images, which have neither figure nor picture. Use other "
            "weights."
        )
    if nameless:
        faults.append(
            f"{nameless[0]}: the name of its result is too long for a file; so it is with "
            f"{len(nameless)} of {total} images, which have a figure but no picture. Rename them, "
            "or set a shorter val.suffix."
        )
    if faults:
        raise DataError("\n".join(faults))
    return tables
