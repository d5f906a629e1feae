"""Estimate, ledger, budget and reconciliation."""
