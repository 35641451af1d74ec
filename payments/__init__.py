"""What is owed, every attempt to pay it, and the books that follow from it."""
