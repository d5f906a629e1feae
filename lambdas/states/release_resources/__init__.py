"""ReleaseResources: delete what the attempt made and nobody uses."""
