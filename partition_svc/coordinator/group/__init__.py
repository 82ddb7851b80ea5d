"""One group, whichever protocol its members speak. Pure."""
