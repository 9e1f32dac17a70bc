"""Operators, one module per DAG."""
