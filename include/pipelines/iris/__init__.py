"""Three species of iris; see README.md, the data card."""
