#!/bin/sh
# Check smoothkit on this machine's GPU and measure it there, in at most seven minutes.
#   sh scripts/gpu_check.sh [-o OUT] [-w WHEELS]
# First the tests marked gpu, then the table of benchmarks/gpu_table.py. Without a GPU both run in a
# small form on the CPU, so that the check itself is known to work.
#   -o OUT     folder for tests.log, tests.xml, rows.jsonl, table.json, table.md, summary.json;
#              default: results/gpu_check
#   -w WHEELS  folder of wheels to use besides what is installed; default: $WHEELS, else wheels
# Needs no network, and neither smoothkit nor anything else installed beyond Python with torch,
# torchvision, numpy, OpenCV, scipy, scikit-image, pyyaml, tqdm and pytest: what else is missing, and
# what is left out for it, stands in the end. PYTHON=python3.12 chooses another Python.
# Exit code: 1 if a test or a measurement failed, else 0.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
OUT="$ROOT/results/gpu_check"
WHEELS=${WHEELS:-"$ROOT/wheels"}
TOTAL=415 # seconds for everything
TESTS=210 # seconds of them for the tests, at most
usage() { sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"; }
while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help)
        usage
        exit
        ;;
    -o | -w)
        [ $# -ge 2 ] || {
            echo "gpu_check.sh: $1: needs a folder." >&2
            exit 2
        }
        [ "$1" = -o ] && OUT=$2 || WHEELS=$2
        shift 2
        ;;
    *)
        echo "gpu_check.sh: $1: no such option. Use -h for help." >&2
        exit 2
        ;;
    esac
done
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
[ ! -d "$WHEELS" ] || WHEELS=$(cd "$WHEELS" && pwd)
cd "$ROOT"
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    [ ! -x .venv/bin/python ] || PYTHON=.venv/bin/python
fi
started=$(date +%s)
left() { echo $((TOTAL - $(date +%s) + started)); }
# Run a command for so many seconds at most, after which it is interrupted as by Ctrl-C; without the
# program timeout, for as long as it takes.
within() {
    seconds=$1
    shift
    if command -v timeout >/dev/null 2>&1; then
        timeout -s INT -k 15 "$seconds" "$@"
    else
        "$@"
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in tests.xml tests.log tests.code rows.jsonl table.json table.md summary.json notes.txt; do
    rm -f "$OUT/$name"
done
if [ -d "$WHEELS" ]; then
    for wheel in "$WHEELS"/*.whl; do
        [ -f "$wheel" ] || continue
        "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
            --target "$work/site" "$wheel" 2>"$work/pip" ||
            echo "$(basename "$wheel") does not install here: $(tail -n 1 "$work/pip")" \
                >>"$OUT/notes.txt"
    done
fi
PYTHONPATH="$ROOT/src:$work/site${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH

"$PYTHON" scripts/gpu_summary.py facts "$OUT"
form=--compile
if [ "$("$PYTHON" scripts/gpu_summary.py device "$OUT")" = cpu ]; then
    form="--small --repeats 1"
    TOTAL=1800 TESTS=1200 # there is no hurry, and others may use the processors
    SMOOTHKIT_GPU_CHECK=cpu
    OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # of networks this small threads only wait for each other
    export SMOOTHKIT_GPU_CHECK OMP_NUM_THREADS
fi

echo "== tests"
# Warnings are no findings here: versions on such a machine are not ours to choose.
# shellcheck disable=SC2046  # names of files, without blanks
{
    code=0
    within "$TESTS" "$PYTHON" -m pytest -m gpu -v --color=no --tb=short -rs -W default \
        -p no:cacheprovider --durations=10 --junitxml="$OUT/tests.xml" \
        $(grep -rl --include='test_*.py' 'pytest.mark.gpu' tests | sort) 2>&1 || code=$?
    echo "$code" >"$OUT/tests.code"
} | tee "$OUT/tests.log"

echo "== table"
# What is begun late may take a minute, and the table is written when the program is interrupted.
seconds=$(left)
# shellcheck disable=SC2086  # the words of $form are separate options
within "$((seconds - 20))" "$PYTHON" benchmarks/gpu_table.py --out "$OUT" \
    --seconds "$((seconds - 80))" $form || true

echo "== summary"
"$PYTHON" scripts/gpu_summary.py summary "$OUT"
