"""What the metadata service keeps, byte by byte."""
