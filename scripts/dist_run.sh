#!/bin/sh
# Start a module on N processes with torchrun; see dist_train.sh.
set -eu
[ $# -ge 3 ] || {
    echo "usage: sh scripts/dist_train.sh N FILE.yml [options]" >&2
    exit 2
}
module=$1 count=$2 file=$3
shift 3
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    [ ! -x .venv/bin/python ] || PYTHON=.venv/bin/python
fi
if [ "${NODES:-1}" -gt 1 ]; then
    place="--nnodes=$NODES --node_rank=$NODE_RANK --master_addr=$MASTER_ADDR"
    place="$place --master_port=${MASTER_PORT:-29500}"
else
    place="--standalone"
fi
# shellcheck disable=SC2086  # the words of $place are separate options
exec "$PYTHON" -m torch.distributed.run --nproc_per_node="$count" $place \
    -m "$module" -opt "$file" "$@"
