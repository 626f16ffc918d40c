"""What is trained: one file an approach family, and the parts they share."""
