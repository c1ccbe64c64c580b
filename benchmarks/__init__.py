"""One command per figure that a document quotes."""
