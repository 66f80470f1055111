"""The crash proof: real processes over real stores, killed at every step (see docs/proof.md)."""
