"""From uploaded lines to training and held-out records."""
