"""The rules of the pipeline: pure functions and values that know no AWS client, no handler and no clock."""
