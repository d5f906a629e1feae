"""The only modules that talk to AWS. Every gateway takes its boto3 client as an argument."""
