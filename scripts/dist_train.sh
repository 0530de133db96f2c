#!/bin/sh
# Train on N processes of this machine, or of several machines.
#   sh scripts/dist_train.sh N FILE.yml [further options of smoothkit.train]
# On each of several machines, with NODES, NODE_RANK (0, 1, ...) and MASTER_ADDR set:
#   NODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 sh scripts/dist_train.sh 8 FILE.yml
exec sh "$(dirname "$0")/dist_run.sh" smoothkit.train "$@"
