"""RDB files: saving the dataset to one, by request, by save points and at the end, and loading it at the start."""
from .load import RdbLoader
from .snapshots import SaveError, Snapshots

__all__ = ["RdbLoader", "SaveError", "Snapshots"]
