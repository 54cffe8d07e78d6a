"""What the package puts on a host beside its programs."""
