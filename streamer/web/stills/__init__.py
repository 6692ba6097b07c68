"""Pictures over HTTP: the queue, the processes that see, what is kept of their answers, the routes."""
