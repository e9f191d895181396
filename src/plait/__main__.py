"""``python -m plait demo``: the command line of plait."""

from __future__ import annotations

import sys

from plait.demo import main as demo

_USAGE = "usage: python -m plait demo\n\n  demo   the protocol shown on a language model that runs in this process\n"


def main(arguments: list[str]) -> int:
    """Run the command that ``arguments`` name; 2 when they name none."""
    if arguments == ["demo"]:
        return demo()
    sys.stdout.write(_USAGE)
    return 0 if arguments in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
