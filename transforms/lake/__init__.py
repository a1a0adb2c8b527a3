"""Delta tables: their schemas, reading, writing, SQL, upkeep, and the records of runs."""
