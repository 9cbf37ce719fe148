"""Pages that open in a browser, each one file that needs no network."""
