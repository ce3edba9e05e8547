"""Sends complete studies to the destinations that they are owed to, and keeps account of it."""
