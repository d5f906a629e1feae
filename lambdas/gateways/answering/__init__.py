"""Asking models: each answer is bought once, stored and entered in the ledger."""
