"""Answers measured, judged and summarised with confidence bounds."""
