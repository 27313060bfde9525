"""Recognizers of bank accounts, cards and wallets."""
