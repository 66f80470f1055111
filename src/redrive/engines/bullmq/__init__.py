"""BullMQ on Redis, for producers and workers in Node.js or Python."""

from redrive.engines.bullmq.engine import BullMQEngine, open_engine
from redrive.engines.bullmq.keys import REDRIVE_QUEUE

__all__ = ["REDRIVE_QUEUE", "BullMQEngine", "open_engine"]
