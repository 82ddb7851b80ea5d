"""Transfer of logs between partition services: the source side and the target side."""
