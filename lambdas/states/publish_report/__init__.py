"""PublishReport: the page for people, the file for programs, the message, the end of the run."""
