"""The systems: one folder each, found by walking this package.

Folders named in the environment variable ``SMOOTHKIT_SYSTEMS`` (separated as in ``PATH``) are
walked as well, so that a system can live outside the package.
"""

import os

__path__ += list(filter(None, os.environ.get("SMOOTHKIT_SYSTEMS", "").split(os.pathsep)))
