"""What two services need and none owns. Imports no service."""
