"""Tools that look for mistakes."""
