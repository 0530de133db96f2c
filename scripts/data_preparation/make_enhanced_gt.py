"""``python -m smoothkit make_enhanced_gt`` under the name of a script."""

import sys

from smoothkit.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["make_enhanced_gt", *sys.argv[1:]]))
