"""What ``make check`` looks at beside format, lint and types: secrets, licences and known vulnerabilities."""
