"""What binding told of schools, classes, teachers and students."""
