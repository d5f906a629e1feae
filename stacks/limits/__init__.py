"""What the services refuse at the deployment, found at synth: sizes as they count them."""
