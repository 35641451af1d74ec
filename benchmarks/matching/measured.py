"""Run a command and say what it took: ``python -m benchmarks.matching.measured COMMAND…``.

Prints, as the last line and as JSON, wall and CPU seconds (user and system, with what it started)
and the peak of its largest process in millions of bytes. It is a process of its own because a
child's peak is at least that of the process which started it, and this one is small.
"""

import json
import resource
import subprocess
import sys
import time


def main() -> int:
    """Run, measure, print; the command's exit status."""
    started = time.perf_counter()
    status = subprocess.run(sys.argv[1:], check=False).returncode
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "wall": round(wall, 3),
        "cpu": round(used.ru_utime + used.ru_stime, 3),
        "peak": round(used.ru_maxrss * 1024 / 1_000_000, 1),
    }
    print(json.dumps(figures))
    return status


if __name__ == "__main__":
    sys.exit(main())
