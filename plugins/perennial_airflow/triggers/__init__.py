"""Triggers: what the triggerer awaits for deferred tasks."""
