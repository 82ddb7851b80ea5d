"""Results of measurements: values, goals, Markdown documents."""
