"""Finds what is wrong with the ledger of a stopped server. Nothing is changed."""
