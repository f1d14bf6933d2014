"""What the commands of `python -m knetpy` do."""
