"""Consumer groups (KIP-848): members, target assignments, migration of classic members. Pure."""
