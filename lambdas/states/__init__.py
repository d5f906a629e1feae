"""The states of the machine, a folder each: leaves that nothing else imports."""
