"""Files that commands write: which may be written."""
