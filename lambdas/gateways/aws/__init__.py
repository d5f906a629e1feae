"""One AWS service each, behind the words of the pipeline."""
