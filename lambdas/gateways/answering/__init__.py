"""Asking models: each answer is paid for once, stored and entered in the ledger."""
