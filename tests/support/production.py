"""Addresses of servers as production has them: with passwords that nobody published."""

DATABASE_URL = "postgresql://somebody:T7w%2Fq@db.example/kinbind"
RABBITMQ_URL = "amqp://somebody:T7w%2Fq@mq.example/"
SERVERS = {"database_url": DATABASE_URL, "rabbitmq_url": RABBITMQ_URL}
