"""perdure, as the workloads see it: its words, and its savers, which are the same for both APIs."""
