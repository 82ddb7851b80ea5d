"""The cluster client: routes calls to the partition service that owns a log or a group."""
