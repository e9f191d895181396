"""The exceptions of plait, under the module name that users know; see ``plait.errors`` for the tree."""

from plait.errors import *  # noqa: F403
from plait.errors import __all__  # noqa: F401
