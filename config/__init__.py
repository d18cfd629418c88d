"""Settings and shipped data. Knows nothing of the server that reads them."""
