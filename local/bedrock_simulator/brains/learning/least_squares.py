"""Linear least squares with a ridge: step by step over all questions, or at once over some of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from local.bedrock_simulator.brains.learning.features import Matrix, Vocabulary

_RIDGE = 0.3
_STEPS = 60
_CONVERGED = 1e-10
_ROWS_AT_ONCE = 2000


def solve_stepwise(vocabulary: Vocabulary, questions: Sequence[str], targets: Matrix) -> tuple[Matrix, list[float]]:
    """Solve ``(X'X + ridge) W = X'Y`` by conjugate gradients; also return the mean squared error after each step."""
    gram = np.eye(vocabulary.size) * _RIDGE
    gram[0, 0] = 1e-6
    right = np.zeros((vocabulary.size, targets.shape[1]))
    for start in range(0, len(questions), _ROWS_AT_ONCE):
        rows = vocabulary.rows(questions[start : start + _ROWS_AT_ONCE])
        gram += rows.T @ rows
        right += rows.T @ targets[start : start + _ROWS_AT_ONCE]
    energy = float((targets**2).sum())
    weights = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    power = (residual**2).sum(axis=0)
    losses: list[float] = []
    for _ in range(_STEPS):
        image = gram @ direction
        step = power / np.maximum((direction * image).sum(axis=0), 1e-300)
        weights += step * direction
        residual -= step * image
        losses.append(_loss(right, residual, weights, energy, targets.size))
        following = (residual**2).sum(axis=0)
        if float(following.max(initial=0.0)) < _CONVERGED:
            break
        direction = residual + (following / np.maximum(power, 1e-300)) * direction
        power = following
    return weights, losses


def solve_by_rows(kernel: Matrix, targets: Matrix) -> Matrix:
    """Solve the same in its dual form, for few rows and many words: how much each row counts.

    Parameters
    ----------
    kernel : Matrix
        Shared words of each two rows, shape ``(rows, rows)``.
    targets : Matrix
        Shape ``(rows, classes)``.
    """
    return np.asarray(np.linalg.solve(kernel + _RIDGE * np.eye(len(kernel)), targets), dtype=np.float64)


def _loss(right: Matrix, residual: Matrix, weights: Matrix, energy: float, count: int) -> float:
    """Give the mean squared error with the ridge; ``(X'X + ridge) W`` is ``X'Y`` without the residual."""
    squared = energy - float((weights * (right + residual)).sum())
    return max(0.0, squared / max(1, count))
