"""The roster: schools, classes, teachers and students, as the schools tell them."""
