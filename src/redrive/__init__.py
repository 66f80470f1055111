"""Redrive, the recovery console for failed background jobs."""

from importlib.metadata import version

__version__ = version("redrive")
