"""Print ``name==version`` for each package installed beside plait: the lines of constraints.txt.

Run by ``make pins`` in an environment made for it.
"""

from __future__ import annotations

import re
from importlib.metadata import distributions

HEAD = """\
# Written by `make pins`: the versions that development, CI and the demo install. Users of plait get the ranges of
# pyproject.toml instead.
"""
OF_THE_ENVIRONMENT = {"plait", "pip", "setuptools", "wheel"}


def main() -> None:
    """Names are written in the normal form of PEP 503, sorted."""
    found = {re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(): each.version for each in distributions()}
    pins = [f"{name}=={version}" for name, version in sorted(found.items()) if name not in OF_THE_ENVIRONMENT]
    print(HEAD + "\n".join(pins))


if __name__ == "__main__":
    main()
