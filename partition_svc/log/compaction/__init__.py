"""Log compaction: which part of a log, which records are retained, and the rewriting."""
