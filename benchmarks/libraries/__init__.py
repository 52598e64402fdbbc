"""The two libraries behind one small face, so that the workloads are written once."""
