"""Mails that were decided on: the ledger, its claim, and the record of what came of each."""
