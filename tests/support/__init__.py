"""What tests of every kind share: servers, databases, and services served in the test's own process."""
