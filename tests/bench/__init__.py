"""What the extension costs those who do not use it: stock and extended Nova, side by side."""
