#!/bin/sh
# Make .venv with smoothkit and everything for training, testing and development.
#   PYTHON=python3.12 sh scripts/make_env.sh
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "make_env.sh: $PYTHON is older than Python 3.10. Set PYTHON to a newer one." >&2
    exit 2
}
[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }
# First what BasicSR's build imports: in an isolated build it would fetch torch a second time.
pip install torch torchvision numpy cython 'setuptools<81' wheel
PYTHON=.venv/bin/python sh scripts/install_basicsr.sh
pip install --no-build-isolation -e '.[dev,matting]'
