"""What a person looks at: figures, one HTML page per lake, lineage. Not here: any statistic."""
