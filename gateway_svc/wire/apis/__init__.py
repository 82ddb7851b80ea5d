"""One file per Kafka API: its request, its response and its versions, each declared once."""
