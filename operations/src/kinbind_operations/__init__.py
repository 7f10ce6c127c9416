"""kinbind: what operators do with a running system, by a role of their own in PostgreSQL and a user in RabbitMQ."""
