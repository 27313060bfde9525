"""Fits and trains the files of weights that ship with the package; see README.md. Not part of the distribution."""
