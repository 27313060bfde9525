"""Copies of everything that a server stores, and servers made from them."""
