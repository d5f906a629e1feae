"""What a reviewer reads, made of the synthesized templates: snapshots and the positions on NIST 800-53."""
