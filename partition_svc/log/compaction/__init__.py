"""Log compaction: choosing a part of a log, the records to retain, and rewriting."""
