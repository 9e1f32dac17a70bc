"""Side-by-side measurements. Absolute times wobble; each report prints ratios taken in one run."""
