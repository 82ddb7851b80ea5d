"""What ringlog costs and how fast it is, measured beside the limits of the machine it runs on."""
