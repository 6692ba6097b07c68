"""The service: a REST API and a page. It takes and gives bytes; what they show is seen in processes of its own."""
