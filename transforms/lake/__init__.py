"""Delta tables: their schemas, reading, writing, upkeep, and the records of runs."""
