"""Which weights recognise speech, and how a candidate compares with them."""
