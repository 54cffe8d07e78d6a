"""Scripts and functions: what they are given, how they call commands, how they end."""
