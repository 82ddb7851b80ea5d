"""Space on the disk: deletion and replacement of batches, reclaiming, the reserve."""
