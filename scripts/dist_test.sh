#!/bin/sh
# Test on N processes; machines and options as in dist_train.sh.
#   sh scripts/dist_test.sh N FILE.yml [further options of smoothkit.test]
exec sh "$(dirname "$0")/dist_run.sh" smoothkit.test "$@"
