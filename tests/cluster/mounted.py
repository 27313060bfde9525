"""``python tests/cluster/mounted.py SOURCE TARGET ...``: Python with these arguments, which sees SOURCE at TARGET.

So a process uses a mount of its own, at the path that others have for theirs, as on another machine. It needs root.
"""

from __future__ import annotations

import os
import sys

_BIND = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'

if __name__ == "__main__":
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", _BIND, "sh", *sys.argv[1:3], sys.executable, *sys.argv[3:]])
