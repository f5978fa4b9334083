"""Older places of what splits modules between processes; using it raises."""
