"""Reports: each a pure function from a `Report` to the text of one file or screen."""
