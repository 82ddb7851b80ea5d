"""Group coordination: what a group is and decides (pure), and the partition that keeps it."""
