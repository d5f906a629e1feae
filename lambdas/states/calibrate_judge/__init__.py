"""CalibrateJudge: the judge measured on known scores, before anything expensive."""
