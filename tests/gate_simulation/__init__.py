"""Simulated verdicts: how often the real gate is wrong about students whose truth is known."""
