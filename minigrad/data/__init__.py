"""Data (the drawn and the real digits are on their way)."""
from .loader import DataLoader, TensorDataset, train_test_split

__all__ = ["DataLoader", "TensorDataset", "train_test_split"]
