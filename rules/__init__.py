"""Why a conversion broke, and the cure: one file per kind of fault."""
