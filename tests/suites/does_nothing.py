"""Stands for a driver: every command of it succeeds."""
