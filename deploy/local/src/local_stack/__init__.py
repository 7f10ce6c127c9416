"""Finds or starts PostgreSQL and RabbitMQ on this machine and runs the four services on them."""
