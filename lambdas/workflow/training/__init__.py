"""The teacher batch and the customization job, as several states see them."""
