"""Tests of the real workers, on one cluster for all of them. The last ones kill its workers again and again."""
