"""Tests in layers: unit, ray, e2e."""
