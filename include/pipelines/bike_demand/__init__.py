"""Rented bikes per hour; see README.md, the data card."""
