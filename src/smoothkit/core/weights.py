"""Weights in files: every published layout in, one layout out, nothing executed on the way."""

from __future__ import annotations

import io
import json
import logging
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothkit.core.errors import DataError, MissingFileError
from smoothkit.core.files import write_atomically
from smoothkit.core.signature import nearest

log = logging.getLogger(__name__)

# Keys under which the references keep a network, in the order of preference.
LAYOUTS = ("params_ema", "params", "net", "state_dict", "model_state")
# Left on parameter names by DataParallel and by torch.compile.
PREFIXES = ("module.", "_orig_mod.")

State = dict[str, Tensor]


def load_file(path: str | Path) -> Any:
    """The content of a ``.pth``, ``.state`` or ``.safetensors`` file, on the CPU.

    Raises:
        DataError: missing, truncated, of another kind, or holding objects that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such checkpoint.")
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    try:
        with torch.serialization.safe_globals(_numpy_scalars()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickle protocols; what is wrong is raised
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: {_unpickling_reason(path, error)}") from error
    except Exception as error:  # damaged bytes end in every kind of error
        raise DataError(f"{path}: {_other_reason(error)}") from error


def find_checkpoint(path: str | Path) -> Path:
    """``path``, or where there is no such file, the same name with or without a trailing blank.

    A published program writes names like ``"epoch 224_ssim 0.922825_psnr 31.733277 "``, whose blank
    tends to get lost.

    Raises:
        DataError: there is none of these files.
    """
    path = Path(path)
    bare = path.name.rstrip()
    for name in (path.name, f"{bare} ", bare):
        if (path.parent / name).is_file():
            return path.parent / name
    beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, beside)
    raise MissingFileError(f"{path}: no such checkpoint. {hint}".rstrip())


def network_state(content: Any, path: str | Path, key: str | None = None) -> State:
    """The state dict in a loaded file, with the names of the bare network.

    Args:
        content: what ``load_file`` gave.
        path: for messages.
        key: entry to take, such as ``params``; by default the first of the known layouts.

    Raises:
        DataError: no state dict is in it, or none under ``key``.
    """
    if key is not None and isinstance(content, Mapping) and key in content:
        return _bare(content[key])
    if isinstance(content, Mapping):
        for layout in LAYOUTS:
            if isinstance(content.get(layout), Mapping):
                return _bare(content[layout])
        if _is_state(content):
            return _bare(content)
        states = [value for value in content.values() if _is_state(value)]
        if len(states) == 1:  # under a name of somebody else's
            return _bare(states[0])
        found = ", ".join(map(str, list(content)[:6])) or "nothing"
    else:
        found = type(content).__name__
    raise DataError(
        f"{path}: holds no network: expected one of {', '.join(LAYOUTS)} or a bare state dict, "
        f"got {found}."
    )


def network_meta(content: Any) -> dict[str, Any]:
    """The ``meta`` that smoothkit writes beside the weights; empty for files of others."""
    meta = content.get("meta") if isinstance(content, Mapping) else None
    return dict(meta) if isinstance(meta, Mapping) else {}


def inner_states(state: Mapping[str, Tensor]) -> list[State]:
    """The networks of a wrapper that holds several, by what stands before the first dot.

    ``{"generator.conv.weight": ..., "discriminator.conv.weight": ...}`` holds two. Averaged ones
    come first.
    """
    owners = dict.fromkeys(name.partition(".")[0] for name in state if "." in name)
    return [
        _bare(
            {k.removeprefix(f"{owner}."): v for k, v in state.items() if k.startswith(f"{owner}.")}
        )
        for owner in sorted(owners, key=lambda owner: "ema" not in owner)
    ]


def load_into(
    net: nn.Module, state: Mapping[str, Tensor], path: str | Path, *, strict: bool = True
) -> list[str]:
    """Load ``state`` into ``net``; without ``strict`` what fits, giving the names left out.

    Where ``state`` is that of a wrapper, the network inside is taken. Names left out are logged.

    Raises:
        DataError: under ``strict``, names or shapes differ; says which, a few of each. Without it,
            nothing fits.
    """
    own = net.state_dict()
    if not own.keys() & state.keys():
        fitting = (inner for inner in inner_states(state) if own.keys() <= inner.keys())
        state = next(fitting, state)
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    other = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    parts = [
        _some("missing", missing),
        _some("not in the network", unknown),
        _some("of another shape", other),
    ]
    differences = "; ".join(filter(None, parts))
    if strict and differences:
        raise DataError(f"{path}: not weights of this {type(net).__name__}: {differences}.")
    num_loaded = len(own) - len(missing) - len(other)
    if own and num_loaded == 0:
        raise DataError(
            f"{path}: nothing in it fits this {type(net).__name__}: {differences}. Give weights of "
            "this network, or none."
        )
    if differences:
        log.warning("%s: %d of %d entries of %s loaded; %s.", path, num_loaded, len(own),
                    type(net).__name__, differences)  # fmt: skip
    misfits = {text.partition(" ")[0] for text in other} | set(unknown)
    net.load_state_dict({k: v for k, v in state.items() if k not in misfits}, strict=False)
    return missing + sorted(misfits)


def save_file(path: str | Path, content: Any) -> None:
    """Write ``content`` with torch.save, whole or not at all.

    Raises:
        DataError: it could not be written.
    """
    # Through memory: torch turns a failed write into an error that hides the reason.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def save_safetensors(
    path: str | Path, state: Mapping[str, Tensor], meta: Mapping[str, str]
) -> None:
    """Write one network's weights as ``.safetensors``, whole or not at all."""
    safetensors = _import_safetensors(path)
    # The format wants dense tensors that share no memory.
    dense = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    data = safetensors.torch.save(dense, metadata=dict(meta))
    write_atomically(path, lambda file: file.write(data))


def cpu_state(net: nn.Module) -> State:
    """The state dict of ``net`` on the CPU, in dense layout, with the bare network's names."""
    return {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in _bare(net.state_dict()).items()
    }


def _is_state(content: Any) -> bool:
    is_mapping = isinstance(content, Mapping) and bool(content)
    return is_mapping and all(isinstance(value, Tensor) for value in content.values())


def _bare(state: Mapping[str, Any]) -> State:
    names = {name: str(name) for name in state}
    for prefix in PREFIXES * 2:  # one may stand behind the other
        if names and all(name.startswith(prefix) for name in names.values()):
            names = {key: name[len(prefix) :] for key, name in names.items()}
    return {name: state[key] for key, name in names.items()}


def _some(what: str, names: list[str], limit: int = 3) -> str:
    if not names:
        return ""
    more = f", ... ({len(names)} in all)" if len(names) > limit else ""
    return f"{what}: {', '.join(names[:limit])}{more}"


def _numpy_scalars() -> list[Any]:
    # DeepLab's public checkpoints keep their best score as a numpy number.
    multiarray = getattr(np, "_core", None) or np.core
    kinds: Iterable[type] = {type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")}
    return [multiarray.multiarray.scalar, np.dtype, *kinds]


def _unpickling_reason(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        is_pickle = file.read(2).startswith((b"PK", b"\x80"))  # in a zip archive, or by itself
    if not is_pickle:
        return "is no checkpoint, but some other kind of file."
    text = str(error)
    if re.search("Unsupported|GLOBAL|WeightsUnpickler", text):
        found = re.search(r"GLOBAL\s+([\w.]+)", text)
        detail = f" It names {found[1].rstrip('.')}." if found else ""
        if detail.endswith("LocNet."):
            detail += " scripts/data_preparation/convert_pickled_locnet.py converts it."
        return (
            "refused: it holds objects other than tensors and plain values, and loading them "
            f"would run code.{detail}"
        )
    return f"truncated, or not a checkpoint ({_first_line(error)})."


def _other_reason(error: Exception) -> str:
    # PyTorch's own texts recommend to load the file without the protection.
    if "TorchScript" in str(error):
        return (
            "is a program (TorchScript), not a checkpoint. Save the state dict of its network: "
            "torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)."
        )
    if "weights_only" in str(error):
        return (
            "refused: loading it could run code, since it is in PyTorch's oldest format. Save it "
            "again with a newer PyTorch where you trust it."
        )
    return f"truncated, or not a checkpoint ({_first_line(error)})."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _import_safetensors(path: str | Path) -> Any:
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        raise DataError(
            f"{path}: needs the package safetensors: pip install safetensors"
        ) from error
    return safetensors


def _load_safetensors(path: Path) -> Any:
    safetensors = _import_safetensors(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            meta = json.loads((file.metadata() or {}).get("meta", "{}"))
            return {"params": state, "meta": meta}
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(f"{path}: truncated, or not a safetensors file ({error}).") from error


def count_parts(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many parts of a network have weights whose names begin with ``prefix``."""
    return len({k.removeprefix(prefix).partition(".")[0] for k in state if k.startswith(prefix)})
