"""The dashboard's pages in a real browser, on the real cloud."""
