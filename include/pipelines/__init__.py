"""The pipeline folders: one model each, with its source, features, expectations and thresholds."""
