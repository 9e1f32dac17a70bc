"""The shipped example: late arrivals of flights out of New York, 2013. README.md is its data card."""
