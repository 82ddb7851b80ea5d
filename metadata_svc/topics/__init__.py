"""Creation, deletion and placement of topics: pure decisions."""
