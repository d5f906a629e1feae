"""ScoreEvaluation: the gate."""
