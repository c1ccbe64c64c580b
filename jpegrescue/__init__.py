"""Find, decrypt, decode and restore JPEG photos in forensic evidence, and say what is evidence and what is not."""

__version__ = "0.1.0"
