"""What AWS's own bill says, held against what the pipeline wrote down."""
