"""The way to other systems over HTTP. One file names the library; nobody else does."""
