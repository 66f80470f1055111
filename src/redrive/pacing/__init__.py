"""How fast and how far an operation goes: pure parts, and the course that its runner follows."""

from redrive.pacing.course import Course, Halt, RealTime, Time

__all__ = ["Course", "Halt", "RealTime", "Time"]
