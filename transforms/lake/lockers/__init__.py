"""Where the locks of a lake are: files of one machine, or a Postgres that several hosts reach."""
