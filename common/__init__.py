"""Code that several services share. It imports no service."""
