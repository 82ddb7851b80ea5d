"""Speed and costs of ringlog, measured beside the limits of the machine it runs on."""
