"""The benchmarks: every row with a floor, and a peer where one is comparable, measured in the same run."""
