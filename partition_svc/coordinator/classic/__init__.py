"""The classic group protocol: members, generations, rebalances. Pure."""
