-- What is due is found by 0006's messages_next.
DROP INDEX messages_due;
