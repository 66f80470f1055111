"""Started as a script: ties a program to the life of its parent, then becomes that program.

``guard.py PARENT_PID PROGRAM ARGUMENT…``. On Linux the kernel sends SIGTERM to it when
the thread that started it ends, even by SIGKILL; the wish survives the exec. Elsewhere the program
outlives a killed parent; the next start of the embedded server ends the old one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the wish was made, so no signal will come.
        sys.exit(1)
    os.execv(program, sys.argv[2:])  # noqa: S606 - no shell is wanted here


if __name__ == "__main__":
    main()
