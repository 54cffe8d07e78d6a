"""What operators and their programs ask of the server by HTTP, on a port of its own. http.py: requests and responses as bytes;
connection.py: one peer; endpoint.py: the port; pages.py: what is found there; metrics.py: the figures for Prometheus."""
