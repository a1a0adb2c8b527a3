"""The files of a lake: a folder on a disk, or a prefix of an object store."""
