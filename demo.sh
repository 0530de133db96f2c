#!/bin/sh
# The demos. Each runs a system's whole way on sample data: make the data, train, test, compare.
#
#   sh demo.sh               the smoothing demo (a few minutes on two cores)
#   sh demo.sh NAME ...      the named demos; 'all' runs every one
#   sh demo.sh --list        the demos, one line each
#
# SMOOTHKIT_QUICK=1 runs the same commands in seconds, on a handful of tiny images. Data are kept for
# the next time, networks are trained anew. Without an environment one is made in .venv.
set -eu
cd "$(dirname "$0")"

DEMOS="smoothing"
SUMMARY_smoothing="JESS-Net on blended pairs, beside bilateral, rolling guidance, L0 and RTV filters"

list() {
    for name in $DEMOS; do
        eval "echo \"$name: \$SUMMARY_$name\""
    done
}

say() { printf '\n== %s\n' "$*"; }

run() {
    printf '+ %s\n' "$*"
    "$@"
}

python() { run "$PYTHON" "$@"; }

find_python() {
    wanted=${PYTHON:-}
    for PYTHON in $wanted .venv/bin/python python3; do
        if "$PYTHON" -c 'import smoothkit' 2>/dev/null; then
            return
        fi
    done
    say "making the environment in .venv (once, some minutes)"
    PYTHON=${wanted:-python3} sh scripts/make_env.sh
    PYTHON=.venv/bin/python
}

smoothing() {
    QUICK="" NUM_TEST="--num_test 20"
    [ "${SMOOTHKIT_QUICK:-0}" = 0 ] || QUICK=_quick NUM_TEST="--num_test 2"
    SAMPLES=datasets/samples$QUICK
    SPS=datasets/SPS_demo$QUICK
    CONFIG="name=JESSNet_demo$QUICK datasets:val:dataroot=$SPS/val"
    CONFIG="$CONFIG datasets:train:dataroot_gt=$SPS/smooth/train"
    CONFIG="$CONFIG datasets:train:dataroot_texture=$SAMPLES/train/textures"
    [ -z "$QUICK" ] || CONFIG="$CONFIG train:total_iter=4 val:val_freq=4 logger:print_freq=1"

    say "sample photographs and textures"
    # Seed 0 drew the textures on which the training was tried out.
    python scripts/data_preparation/make_sample_data.py --out_dir "$SAMPLES" --seed 1
    say "ground truths: photographs smoothed by the RTV filter"
    for half in train test; do
        python scripts/data_preparation/make_smooth_gt.py --method rtv --set lam=0.01 \
            --photo_dir "$SAMPLES/$half/photographs" --out_dir "$SPS/smooth/$half"
    done
    say "the SPS data set: every texture over every ground truth; a tenth for validation"
    python scripts/data_preparation/blend_sps.py \
        --tx_dir "$SAMPLES/train/textures" --bg_dir "$SPS/smooth/train" --out_dir "$SPS"
    python scripts/data_preparation/split_val.py --train_dir "$SPS/train" --val_dir "$SPS/val"
    python scripts/data_preparation/blend_sps.py \
        --tx_dir "$SAMPLES/test/textures" --bg_dir "$SPS/smooth/test" --out_dir "$SPS/held_out"
    say "training JESS-Net"
    # shellcheck disable=SC2086  # the words of $CONFIG are separate options
    python -m smoothkit.train -opt options/train/jess/train_JESSNet_demo.yml --force_yml $CONFIG
    say "testing it on held-out pairs"
    python -m smoothkit.test -opt options/test/jess/test_JESSNet_demo.yml --force_yml \
        "name=JESSNet_demo$QUICK" "datasets:test_1:dataroot=$SPS/held_out/train" \
        "path:pretrain_network_g=experiments/JESSNet_demo$QUICK/models/net_g_latest.pth"
    say "the filters, tuned on training pairs, beside it"
    python scripts/metrics/compare_filters.py --train_dir "$SPS/train" \
        --test_dir "$SPS/held_out/train" $NUM_TEST --results_dir "results/JESSNet_demo$QUICK/visualization/held_out" \
        --note "Ground truths: photographs smoothed by the RTV filter (lambda 0.01)." \
        --out_dir "results/JESSNet_demo$QUICK"
}

case "${1:-}" in
-h | --help)
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' demo.sh
    exit
    ;;
--list)
    list
    exit
    ;;
esac
[ $# -gt 0 ] || set -- smoothing
[ "$1" != all ] || set -- $DEMOS
for name in "$@"; do
    case " $DEMOS " in
    *" $name "*) ;;
    *)
        echo "demo.sh: no demo is called '$name'. There are: $DEMOS, and all." >&2
        exit 2
        ;;
    esac
done
find_python
for name in "$@"; do
    "$name"
done

# Full size, for data and hardware of your own: uncomment what you need.
#
# Easy2Hard / JESS-Net. datasets/SPS: see datasets/README.md.
# python -m smoothkit.train -opt options/train/jess/train_Baseline.yml
# python -m smoothkit.train -opt options/train/jess/train_HDC.yml
# python -m smoothkit.train -opt options/train/jess/train_HDC_edge.yml
# python -m smoothkit.train -opt options/train/jess/train_JESSNet.yml
# python -m smoothkit.train -opt options/train/jess/train_JESSNet_paper.yml
# torchrun --nproc_per_node=4 -m smoothkit.train -opt options/train/jess/train_JESSNet.yml
# python -m smoothkit.test -opt options/test/jess/test_JESSNet.yml
