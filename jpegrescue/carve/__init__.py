"""Finding JPEG files by their structure at any byte offset."""
