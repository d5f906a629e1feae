"""What events and people invoke beside the machine, a folder each: leaves that nothing else imports."""
