"""A real Redis server as a child process, for one machine with nothing installed."""

from __future__ import annotations

from redrive.embedded.binary import find_binary
from redrive.embedded.data_dir import DataDir, read_redis_url
from redrive.embedded.server import EmbeddedRedis

__all__ = ["DataDir", "EmbeddedRedis", "find_binary", "read_redis_url"]
