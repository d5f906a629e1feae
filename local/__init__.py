"""The embedded AWS: everything that runs on the developer's machine and is never deployed."""
