"""One file per framework: what it reads, and how a `Pivot` is made of it."""
