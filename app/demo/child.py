"""One process of the demonstration: a command of doisoat that ends with whoever started it.

The starter holds the other end of standard input. When it ends, in whatever way, the input ends
too, and so does this process: nothing is left behind, even after a kill.
"""

import os
import signal
import threading
from typing import Final

_STANDARD_INPUT: Final = 0


def _end_with_the_starter() -> None:
    # Not through sys.stdin: a thread that waits inside a buffer breaks the interpreter's exit.
    while os.read(_STANDARD_INPUT, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the command line given as arguments."""
    from app.cli import main as run  # noqa: PLC0415 - the watch begins before the long imports

    run()


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    main()
