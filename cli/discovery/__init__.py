"""Verbs about what the account's own logs hold: discover, opportunities, opportunity, coverage, distil."""
