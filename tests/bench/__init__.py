"""Figures, each beside what one would use instead; raw data, and the report that is made of it."""
