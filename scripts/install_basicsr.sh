#!/bin/sh
# Install BasicSR 1.4.2 into the environment of $PYTHON; from Python 3.13 on it needs help to build.
#   PYTHON=.venv/bin/python sh scripts/install_basicsr.sh
set -eu
PYTHON=${PYTHON:-python3}
pip() { "$PYTHON" -m pip --disable-pip-version-check --quiet "$@"; }
if "$PYTHON" -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then
    pip install --no-build-isolation basicsr==1.4.2
    exit
fi
# Its setup.py reads the version by exec() and looks it up in locals(), which no longer sees it.
# This one build gets an exec() that works on the caller's own dictionaries.
shim=$(mktemp -d)
trap 'rm -rf "$shim"' EXIT
cat >"$shim/sitecustomize.py" <<'PY'
import builtins
import sys

_exec = builtins.exec


def exec_in_caller(code, globals=None, locals=None, /, **options):
    if globals is None:
        frame = sys._getframe(1)
        globals, locals = frame.f_globals, frame.f_locals
    _exec(code, globals, globals if locals is None else locals, **options)


builtins.exec = exec_in_caller
PY
pip install addict future lmdb opencv-python pyyaml requests scikit-image scipy tqdm yapf
# Without its requirements: tb-nightly must not join the tensorboard that is there.
PYTHONPATH="$shim" pip install --no-build-isolation --no-deps basicsr==1.4.2
