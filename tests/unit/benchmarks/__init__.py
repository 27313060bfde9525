"""Parts of the benchmarks that decide what a figure says."""
